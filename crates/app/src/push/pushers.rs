//! Pushers: where users want to be notified. What they say is sealed with the user's own key; others' pushers of the same push key are found
//! by a blind index.

use std::sync::Arc;

use bytes::Bytes;
use domicile_core::{clock::Clock, error::ErrorKind, ids::UserNum};
use domicile_egress::push_gateway::{GatewayUrl, PATH};
use domicile_store::{
    Batch, Keystore, Store,
    catalogue::Table,
    numbers::Sequence,
    table::pushers::{self, Pusher as Row},
    walk::rows::Cell,
};
use ruma::api::client::push::{Pusher, PusherIds, PusherKind};
use serde::{Deserialize, Serialize};

use super::PushBell;
use crate::{Error, Result, accounts::Session};

/// Bytes of a push key, characters of an application's id (client-server specification, `POST /pushers/set`).
const PUSHKEY_BYTES: usize = 512;
const APP_ID_CHARS: usize = 64;
/// Bytes of all that a pusher says.
const PUSHER_BYTES: usize = 16 * 1024;
/// Pushers of one user.
const LARGEST_COUNT: usize = 100;

/// Where the sealed part stands, which is sealed with it.
const SEALED: &str = "pushers.sealed";
/// What the blind index is made for.
const KEY_HASH: &str = "pushers.key_hash";

/// What is sealed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Details {
    /// The pusher as the client set it.
    pub(super) pusher: Pusher,
    /// When it was set, in milliseconds since the epoch.
    pub(super) updated_ts: i64,
}

/// The pushers of users.
pub struct Pushers {
    store: Store,
    clock: Arc<dyn Clock>,
    keystore: Arc<Keystore>,
    bell: Arc<PushBell>,
}

impl Pushers {
    /// Over a store.
    pub fn new(store: Store, clock: Arc<dyn Clock>, keystore: Arc<Keystore>, bell: Arc<PushBell>) -> Self {
        Self { store, clock, keystore, bell }
    }

    /// A user's pushers.
    pub async fn list(&self, user_num: UserNum) -> Result<Vec<Pusher>> {
        let rows = self.rows(user_num).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            found.push(open(&self.keystore, row).await?.pusher);
        }
        Ok(found)
    }

    /// Adds a pusher, or replaces the user's own of the same key. Other people's of that key end, unless `append` is wanted.
    pub async fn set(&self, by: &Session, pusher: Pusher, append: bool) -> Result<()> {
        check(&pusher)?;
        let key_hash = self.key_hash(&pusher.ids);
        let details = Details { pusher, updated_ts: self.clock.now_ms() };
        let plain = serde_json::to_vec(&details).map_err(Error::internal)?;
        if plain.len() > PUSHER_BYTES {
            return Err(ErrorKind::TooLarge.with(format!("A pusher has at most {PUSHER_BYTES} bytes.")).into());
        }
        let sealed = self.keystore.key_of(by.user_num).await?.seal(SEALED, &plain)?;
        loop {
            let user_num = by.user_num;
            let (head, known, own) = self
                .store
                .read(move |snapshot| async move {
                    let known = pushers::of_key(&snapshot, &key_hash).await?;
                    let own = pushers::of_user(&snapshot, user_num).await?.len();
                    Ok::<_, Error>((snapshot.head().await?, known, own))
                })
                .await?;
            let mut batch = Batch::new();
            let mine = known.iter().find(|(_, owner)| *owner == user_num).map(|(pusher_num, _)| *pusher_num);
            let pusher_num = if let Some(pusher_num) = mine {
                pushers::set(&mut batch, pusher_num, by.device_num, sealed.clone());
                pusher_num
            } else {
                if own >= LARGEST_COUNT {
                    return Err(ErrorKind::TooLarge.with("You have too many pushers: remove some first.").into());
                }
                let pusher_num = self.store.number(Sequence::Pusher).await?;
                let row = Row {
                    pusher_num,
                    user_num,
                    device_num: by.device_num,
                    key_hash: Bytes::copy_from_slice(&key_hash),
                    sealed: sealed.clone(),
                    position: head,
                };
                pushers::insert(&mut batch, &row);
                pusher_num
            };
            let others: Vec<_> = known.into_iter().filter(|(_, owner)| !append && *owner != user_num).collect();
            for (other, _) in &others {
                pushers::remove(&mut batch, *other);
            }
            match self.store.write(batch).await {
                Ok(_) => {
                    for (other, owner) in others {
                        self.bell.remove(owner, other);
                    }
                    self.bell.add(user_num, pusher_num);
                    return Ok(());
                }
                // The same was set by another request meanwhile.
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Removes a user's pusher. What is not there needs no end.
    pub async fn remove(&self, by: &Session, ids: &PusherIds) -> Result<()> {
        let key_hash = self.key_hash(ids);
        let known = self.store.read(move |snapshot| async move { pushers::of_key(&snapshot, &key_hash).await }).await?;
        for (pusher_num, owner) in known.into_iter().filter(|(_, owner)| *owner == by.user_num) {
            let mut batch = Batch::new();
            pushers::remove(&mut batch, pusher_num);
            self.store.write(batch).await?;
            self.bell.remove(owner, pusher_num);
        }
        Ok(())
    }

    async fn rows(&self, user_num: UserNum) -> Result<Vec<Row>> {
        Ok(self.store.read(move |snapshot| async move { pushers::of_user(&snapshot, user_num).await }).await?)
    }

    fn key_hash(&self, ids: &PusherIds) -> [u8; 32] {
        hash(&self.keystore, ids)
    }
}

/// The blind index of a pusher, which is another one in each cell.
fn hash(keystore: &Keystore, ids: &PusherIds) -> [u8; 32] {
    let length = u64::try_from(ids.app_id.len()).unwrap_or(u64::MAX).to_be_bytes();
    let value = [&length[..], ids.app_id.as_bytes(), ids.pushkey.as_bytes()].concat();
    keystore.blind_index(KEY_HASH, &value)
}

/// Gives a row that another cell brought, with its details opened, the blind index of this one.
pub(crate) fn rehash(keystore: &Keystore, table: &Table, row: &mut [Cell]) -> Result<()> {
    let at = |name: &str| table.columns.iter().position(|column| column.name == name).unwrap_or(usize::MAX);
    let Some(Cell::Bytes(opened)) = row.get(at("sealed")) else { return Ok(()) };
    let details: Details = serde_json::from_slice(opened).map_err(Error::internal)?;
    let hash = Bytes::copy_from_slice(&hash(keystore, &details.pusher.ids));
    if let Some(cell) = row.get_mut(at("key_hash")) {
        *cell = Cell::Bytes(hash);
    }
    Ok(())
}

/// What a row says, opened with its owner's key.
pub(super) async fn open(keystore: &Keystore, row: &Row) -> Result<Details> {
    let opened = keystore.key_of(row.user_num).await?.open(SEALED, &row.sealed)?;
    serde_json::from_slice(&opened).map_err(Error::internal)
}

/// The host of the gateway to which a pusher sends, if it sends to one.
pub(crate) async fn gateway_of(keystore: &Keystore, row: &Row) -> Result<Option<String>> {
    let PusherKind::Http(data) = open(keystore, row).await?.pusher.kind else { return Ok(None) };
    Ok(url::Url::parse(&data.url).ok().and_then(|url| url.host_str().map(str::to_owned)))
}

fn check(pusher: &Pusher) -> Result<()> {
    let wrong = |what: String| Err(ErrorKind::InvalidParam.with(what).into());
    let PusherIds { pushkey, app_id, .. } = &pusher.ids;
    if pushkey.is_empty() || pushkey.len() > PUSHKEY_BYTES {
        return wrong(format!("`pushkey` has 1 to {PUSHKEY_BYTES} bytes."));
    }
    if app_id.is_empty() || app_id.chars().count() > APP_ID_CHARS {
        return wrong(format!("`app_id` has 1 to {APP_ID_CHARS} characters."));
    }
    match &pusher.kind {
        PusherKind::Http(data) if GatewayUrl::parse(&data.url).is_none() => {
            wrong(format!("`data.url` is an https address whose path is {PATH}."))
        }
        PusherKind::Http(_) => Ok(()),
        _ => {
            wrong("This server sends notifications to push gateways only: set a pusher of the kind `http`.".to_owned())
        }
    }
}
