//! Claiming one-time keys of other servers' users: all servers at once, each no longer than the asker waits.

use std::{collections::BTreeMap, time::Duration};

use domicile_core::{error::ErrorKind, ids::UserNum};
use futures::{StreamExt, stream};
use ruma::{
    OwnedServerName, UserId,
    api::federation::keys::claim_keys::v1::{Request, Response},
};
use serde_json::Value;

use super::{CLAIMS, Claimed, KEY_BYTES, KEY_ID_BYTES, OneTimeKeys, Wanted};
use crate::{
    Result,
    e2ee::{device_list_copies::AT_ONCE, timeout, within},
    federation::Bounds,
};

/// Bytes of one server's answer.
const ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// Keys of users of this and other servers.
#[derive(Debug, Default)]
pub struct FromAll {
    /// The keys.
    pub claimed: Claimed,
    /// Servers that could not be asked, with why.
    pub failures: BTreeMap<String, Value>,
}

impl OneTimeKeys {
    /// Hands out a key to `reader` for each wanted device that has one, of whatever server. Other servers are asked for no longer than `wait`.
    pub async fn claim_from_all(&self, reader: UserNum, wanted: Wanted, wait: Option<Duration>) -> Result<FromAll> {
        if wanted.values().map(BTreeMap::len).sum::<usize>() > CLAIMS {
            return Err(ErrorKind::TooLarge.with(format!("A claim asks for at most {CLAIMS} devices.")).into());
        }
        let users: Vec<&UserId> = wanted.keys().map(|user_id| &**user_id).collect();
        self.users.localities().meet(&users).await?;
        let (wanted, unreached) = self.told_of(reader, wanted, wait).await?;
        let (here, elsewhere): (Wanted, Wanted) =
            wanted.into_iter().partition(|(user_id, _)| self.users.is_local(user_id));
        let mut by_server: BTreeMap<OwnedServerName, Wanted> = BTreeMap::new();
        for (user_id, devices) in elsewhere {
            by_server.entry(self.users.localities().peer_of(&user_id)).or_default().insert(user_id, devices);
        }
        let wait = timeout(wait);
        let bounds = Bounds { time: wait, bytes: ANSWER_BYTES };
        let asks = by_server.into_iter().map(|(server_name, wanted)| async move {
            let asking = Box::pin(self.peers.ask(&server_name, Request::new(wanted.clone()), bounds));
            let answer = within(wait, &server_name, asking).await;
            (server_name, wanted, answer)
        });
        let (claimed, answers) =
            tokio::join!(self.claim(here), stream::iter(asks).buffer_unordered(AT_ONCE).collect::<Vec<_>>());
        let mut all = FromAll { claimed: claimed?, failures: unreached };
        for (server_name, wanted, answer) in answers {
            match answer {
                Ok(answer) => all.claimed.extend(asked_for(answer, &wanted)),
                Err(failure) => {
                    all.failures.insert(self.users.localities().told(&server_name).to_string(), failure);
                }
            }
        }
        Ok(all)
    }

    /// What is wanted without the devices that nobody here is told of, and whom nobody could ask which these are.
    async fn told_of(
        &self,
        reader: UserNum,
        mut wanted: Wanted,
        wait: Option<Duration>,
    ) -> Result<(Wanted, BTreeMap<String, Value>)> {
        let concerned = wanted.iter().filter(|(user_id, _)| self.devices.looks_at(user_id));
        let asked: BTreeMap<_, Vec<_>> =
            concerned.map(|(user_id, devices)| (user_id.clone(), devices.keys().cloned().collect())).collect();
        if asked.is_empty() {
            return Ok((wanted, BTreeMap::new()));
        }
        let users: Vec<_> = asked.keys().cloned().collect();
        let found = self.devices.query(reader, asked, wait).await?;
        for user_id in users {
            let told = found.device_keys.get(&user_id);
            if let Some(devices) = wanted.get_mut(&user_id) {
                devices.retain(|device_id, _| told.is_some_and(|told| told.contains_key(device_id)));
            }
        }
        wanted.retain(|_, devices| !devices.is_empty());
        Ok((wanted, found.failures))
    }
}

/// What an answer has of what was asked for: one key for each device, of the algorithm that was named.
fn asked_for(answer: Response, wanted: &Wanted) -> Claimed {
    let mut claimed = Claimed::new();
    for (user_id, devices) in answer.one_time_keys {
        let Some(asked) = wanted.get(&user_id) else { continue };
        for (device_id, keys) in devices {
            let Some(algorithm) = asked.get(&device_id) else { continue };
            let fits = keys.into_iter().find(|(key_id, key)| {
                key_id.as_str().split_once(':').is_some_and(|(prefix, _)| prefix == algorithm.as_str())
                    && key_id.as_str().len() <= KEY_ID_BYTES
                    && key.json().get().len() <= KEY_BYTES
            });
            if let Some((key_id, key)) = fits {
                claimed.entry(user_id.clone()).or_default().insert(device_id, BTreeMap::from([(key_id, key)]));
            }
        }
    }
    claimed
}
