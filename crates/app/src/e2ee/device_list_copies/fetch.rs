//! Asking other servers for the keys of their users, when somebody here wants to know: all servers at once, each no longer than the asker waits.

use std::{collections::BTreeMap, time::Duration};

use domicile_core::{ids::UserNum, locality::is_cell};
use domicile_store::{
    Batch,
    table::{device_list_copies, device_lists, users},
};
use futures::{StreamExt, stream};
use ruma::{
    OwnedServerName, OwnedUserId,
    api::federation::keys::get_keys::v1::{Request, Response},
};
use serde_json::Value;

use super::{Before, DeviceListCopies, GRACE_MS, List, News, list};
use crate::{Result, e2ee::within, federation::Bounds};

/// Bytes of one server's answer.
const ANSWER_BYTES: usize = 16 * 1024 * 1024;
/// Servers that are asked at once for one request.
pub(in crate::e2ee) const AT_ONCE: usize = 64;

/// What servers told.
#[derive(Debug, Default)]
pub struct Fetched {
    /// By user. Who is missing is nobody, or their server did not answer.
    pub lists: BTreeMap<OwnedUserId, List>,
    /// Servers that could not be asked, with why.
    pub failures: BTreeMap<String, Value>,
}

impl DeviceListCopies {
    /// Asks servers for the devices and keys of their users. Those of users who share a room with `reader` are kept.
    pub async fn fetch(
        &self,
        reader: UserNum,
        wanted: BTreeMap<OwnedServerName, Vec<OwnedUserId>>,
        timeout: Duration,
    ) -> Result<Fetched> {
        let (nums, before) = self.begin(reader, wanted.values().flatten().cloned().collect()).await?;
        let bounds = Bounds { time: timeout, bytes: ANSWER_BYTES };
        let asks = wanted.into_iter().map(|(server_name, users)| async move {
            let request = Request::new(users.iter().map(|user_id| (user_id.clone(), Vec::new())).collect());
            let answer = within(timeout, &server_name, Box::pin(self.peers.ask(&server_name, request, bounds))).await;
            (server_name, users, answer)
        });
        let answers: Vec<_> = stream::iter(asks).buffer_unordered(AT_ONCE).collect().await;
        let mut fetched = Fetched::default();
        for (server_name, users, answer) in answers {
            match answer {
                Ok(mut answer) => {
                    for user_id in users {
                        if let Some(list) = take(&mut answer, &user_id, !is_cell(&server_name)) {
                            fetched.lists.insert(user_id, list);
                        }
                    }
                }
                Err(failure) => {
                    fetched.failures.insert(self.lists.localities().told(&server_name).to_string(), failure);
                }
            }
        }
        let news = nums.into_iter().filter_map(|(user_id, user_num)| {
            let list = fetched.lists.get(&user_id)?.clone();
            Some(News { user_num, user_id, list, stream_id: None })
        });
        self.keep(&before, news.collect()).await?;
        Ok(fetched)
    }

    /// Begins copies of those users who share a room with `reader`, where there are none yet.
    async fn begin(
        &self,
        reader: UserNum,
        user_ids: Vec<OwnedUserId>,
    ) -> Result<(Vec<(OwnedUserId, UserNum)>, Before)> {
        let sharing = self.store.read(move |snapshot| async move {
            let known = users::by_ids(&snapshot, user_ids.iter().map(|id| id.as_str())).await?;
            let sharing = device_lists::sharing(&snapshot, reader, known.iter().map(|(user_num, _)| *user_num)).await?;
            let sharing = known.into_iter().filter(|(user_num, _)| sharing.contains(user_num));
            Ok::<_, crate::Error>(sharing.collect::<Vec<_>>())
        });
        let sharing = sharing.await?;
        let nums: Vec<UserNum> = sharing.iter().map(|(user_num, _)| *user_num).collect();
        let mut before = self.before(nums.clone()).await?;
        let mut batch = Batch::new();
        for user_num in nums.iter().filter(|user_num| !before.copies.contains_key(user_num)) {
            device_list_copies::begin(&mut batch, *user_num, self.clock.now_ms() + GRACE_MS);
        }
        if !batch.is_empty() {
            self.store.write(batch).await?;
            before = self.before(nums).await?;
        }
        let ids = sharing.into_iter().filter_map(|(user_num, id)| Some((OwnedUserId::try_from(id).ok()?, user_num)));
        Ok((ids.collect(), before))
    }
}

/// What an answer says of one user, with what they call their devices if that is to be known here. What does not fit is left out.
fn take(answer: &mut Response, user_id: &OwnedUserId, named: bool) -> Option<List> {
    let devices = answer.device_keys.remove(user_id)?;
    let mut found = List::default();
    for (device_id, keys) in devices {
        let name = list::name_in(keys.json()).filter(|_| named);
        found.set_device(user_id, &device_id, &keys, name.as_deref());
    }
    let (master, self_signing) = (answer.master_keys.get(user_id), answer.self_signing_keys.get(user_id));
    if !found.set_keys(user_id, master, self_signing) {
        found.set_keys(user_id, master, None);
    }
    Some(found)
}
