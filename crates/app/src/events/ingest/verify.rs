//! Checks 1 to 3: form and size, signatures, hashes. Nothing of the room is needed for them but its version.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use domicile_room::event::receive::{self, KeyMap, PublicKey, Received, Required, Unverified};
use futures::{StreamExt, stream};
use ruma::{
    MilliSecondsSinceUnixEpoch, OwnedEventId, OwnedServerName, RoomId, UInt, room_version_rules::RoomVersionRules,
};
use serde_json::value::RawValue;

use super::Ingest;
use crate::{Error, Result, federation::KeyUse};

/// Events that one thread checks in a row.
const CHUNK: usize = 500;
/// Events that are checked where they are: fewer cost less than another thread.
const FEW: usize = 4;
/// Servers whose keys are asked for at once, and for how long at most. What is not here then is missing.
const ASKED_AT_ONCE: usize = 64;
const ASKING_TIME: Duration = Duration::from_mins(1);

/// An event that is right so far, or its id, as far as it has one, and what is wrong with it.
pub type Verified = std::result::Result<Received, (Option<OwnedEventId>, String)>;
type Read = std::result::Result<Unverified, (Option<OwnedEventId>, String)>;

/// What a server's key is needed for: the ids with which it signed, by server, and the latest time of an event.
type Wanted = BTreeMap<OwnedServerName, (BTreeSet<String>, i64)>;

impl Ingest {
    /// Checks events of a room as they came, in their order.
    pub async fn verify(
        &self,
        rules: &RoomVersionRules,
        room_id: &RoomId,
        raw: Vec<Box<RawValue>>,
    ) -> Result<Vec<Verified>> {
        let (form, room) = (rules.clone(), room_id.to_owned());
        let read = in_parallel(raw, move |json| {
            let event = receive::read(json.get().as_bytes(), &form).map_err(|refused| (None, refused.to_string()))?;
            if event.is_of(&room) {
                Ok(event)
            } else {
                Err((Some(event.event_id().to_owned()), format!("the event is not of the room {room}")))
            }
        })
        .await?;
        let keys = self.keys_of(&read, rules).await?;
        let keys = std::sync::Arc::new(keys);
        in_parallel(read, move |event: Read| {
            let event = event?;
            let id = event.event_id().to_owned();
            event.verify(&*keys).map_err(|refused| (Some(id), refused.to_string()))
        })
        .await
    }

    /// One event.
    pub async fn verify_one(
        &self,
        rules: &RoomVersionRules,
        room_id: &RoomId,
        raw: Box<RawValue>,
    ) -> Result<std::result::Result<Received, String>> {
        let verified = self.verify(rules, room_id, vec![raw]).await?;
        let missing = || Error::internal("one event was asked about, and none was answered");
        Ok(verified.into_iter().next().ok_or_else(missing)?.map_err(|(_, reason)| reason))
    }

    /// The keys with which the events say that they are signed. Those that cannot be had are missing.
    async fn keys_of(&self, events: &[Read], rules: &RoomVersionRules) -> Result<KeyMap> {
        let mut wanted = Wanted::new();
        for event in events.iter().flatten() {
            let sent_ts = i64::from(event.pdu().origin_server_ts().0);
            for Required { server, signatures } in event.required() {
                let (ids, latest) = wanted.entry(server.clone()).or_insert_with(|| (BTreeSet::new(), i64::MIN));
                ids.extend(signatures.iter().map(|(key_id, _)| key_id.clone()));
                *latest = sent_ts.max(*latest);
            }
        }
        let enforced = rules.enforce_key_validity;
        let mut keys = KeyMap::new();
        let asking = stream::iter(wanted)
            .map(|(server, (ids, latest))| async move {
                let wanted = if enforced { KeyUse::Event { sent_ts: latest } } else { KeyUse::OldEvent };
                self.server_keys.find(&server, &ids, wanted).await?;
                // Of what is known now, also what was good for earlier events only: each key says until when.
                let keys = self.server_keys.known(&server, &ids, KeyUse::OldEvent).await?;
                Ok::<_, Error>((server, keys))
            })
            .buffer_unordered(ASKED_AT_ONCE);
        tokio::pin!(asking);
        let deadline = tokio::time::sleep(ASKING_TIME);
        tokio::pin!(deadline);
        loop {
            let next = tokio::select! {
                next = asking.next() => next,
                () = &mut deadline => None,
            };
            let Some(found) = next else { break };
            let (server, found) = found?;
            let of_server = keys.entry(server).or_default();
            for key in found {
                let until = key.expired_ts.unwrap_or(key.valid_until_ts).max(0);
                let until = MilliSecondsSinceUnixEpoch(UInt::try_from(until).unwrap_or(UInt::MAX));
                if let Ok(public_key) = PublicKey::new(&key.public_key, until) {
                    of_server.insert(key.key_id, public_key);
                }
            }
        }
        Ok(keys)
    }
}

/// Does the same with many things on the threads for work that takes long, in their order.
async fn in_parallel<T, R>(things: Vec<T>, work: impl Fn(T) -> R + Clone + Send + 'static) -> Result<Vec<R>>
where
    T: Send + 'static,
    R: Send + 'static,
{
    if things.len() <= FEW {
        return Ok(things.into_iter().map(work).collect());
    }
    let mut tasks = Vec::new();
    let mut things = things.into_iter().peekable();
    while things.peek().is_some() {
        let chunk: Vec<T> = things.by_ref().take(CHUNK).collect();
        let work = work.clone();
        tasks.push(tokio::task::spawn_blocking(move || chunk.into_iter().map(work).collect::<Vec<R>>()));
    }
    let mut done = Vec::new();
    for task in tasks {
        done.extend(task.await.map_err(Error::internal)?);
    }
    Ok(done)
}
