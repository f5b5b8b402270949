//! Checks 1 to 3: form and size, signatures, hashes. Nothing of the room is needed for them but its version.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    num::NonZero,
    sync::{Arc, LazyLock},
    time::Duration,
};

use domicile_room::event::receive::{self, KeyMap, PublicKey, Received, Signers, Unverified};
use futures::{StreamExt, TryStreamExt, stream};
use ruma::{
    MilliSecondsSinceUnixEpoch, OwnedEventId, OwnedRoomId, OwnedServerName, RoomId, ServerName, UInt, UserId,
    room_version_rules::RoomVersionRules,
};
use serde_json::value::RawValue;

use super::{Ingest, own_signatures::OwnKnown};
use crate::{
    Error, Result,
    federation::{KeyUse, Listed},
};

/// Events that one thread checks in a row, at most and at least.
const CHUNK: usize = 500;
const LEAST: usize = 16;
/// Events that are checked where they are: fewer cost less than another thread.
const FEW: usize = 4;
/// Servers whose keys are asked for at once, and for how long at most. What is not here then is missing.
const ASKED_AT_ONCE: usize = 64;
const ASKING_TIME: Duration = Duration::from_mins(1);

/// An event that is right so far, or its id, as far as it has one, and what is wrong with it.
pub type Verified = std::result::Result<Received, (Option<OwnedEventId>, String)>;

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
        let (checker, pieces) = self.checker(rules, room_id, pieces_of(raw.into()), None).await?;
        checker.check(pieces).await
    }

    /// What checks events, with the keys that these need. Keys come first: what lies between reading an event and checking it is twice its
    /// size. Of events that `wanted` does not name it is said that nobody asked for them.
    pub(super) async fn checker(
        &self,
        rules: &RoomVersionRules,
        room_id: &RoomId,
        pieces: Vec<Listed>,
        wanted: Option<Arc<HashSet<OwnedEventId>>>,
    ) -> Result<(Checker, Vec<Listed>)> {
        let (mut signers, mut same) = (Wanted::new(), Vec::with_capacity(pieces.len()));
        for (of_piece, piece) in in_parallel(pieces, |piece| Ok((wanted_by(&piece)?, piece))).await? {
            same.push(piece);
            for (server, (ids, latest)) in of_piece {
                let (all, newest) = signers.entry(server).or_insert_with(|| (BTreeSet::new(), i64::MIN));
                all.extend(ids);
                *newest = latest.max(*newest);
            }
        }
        let own = self.own_keys_of(&same, rules).await?;
        if let Some(own) = &own {
            signers.remove(&own.server_name);
        }
        let keys = Known { servers: self.keys_of(signers, rules).await?, own };
        Ok((Checker(Arc::new(Checks { form: rules.clone(), room_id: room_id.to_owned(), keys, wanted })), same))
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

    /// Keys with which events say that they are signed. Those that cannot be had are missing.
    async fn keys_of(&self, wanted: Wanted, rules: &RoomVersionRules) -> Result<KeyMap> {
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

/// Checks events of one room.
#[derive(Clone)]
pub(super) struct Checker(Arc<Checks>);

struct Checks {
    form: RoomVersionRules,
    room_id: OwnedRoomId,
    keys: Known,
    wanted: Option<Arc<HashSet<OwnedEventId>>>,
}

impl Checker {
    /// Checks pieces on several threads, in their order.
    pub(super) async fn check(&self, pieces: Vec<Listed>) -> Result<Vec<Verified>> {
        let checks = Arc::clone(&self.0);
        let checked = in_parallel(pieces, move |piece| {
            let checks = Arc::clone(&checks);
            let read: Vec<Read> = piece.texts().map(|json| Ok(checks.read(&json?))).collect::<Result<_>>()?;
            Ok(checks.all(read))
        });
        Ok(checked.await?.into_iter().flatten().collect())
    }
}

/// An event whose signatures nobody has looked at, or what is wrong with it.
type Read = std::result::Result<Unverified, (Option<OwnedEventId>, String)>;

impl Checks {
    /// The event, if it has the form of one that was asked for.
    fn read(&self, json: &str) -> Read {
        let event = receive::read(json.as_bytes(), &self.form).map_err(|refused| (None, refused.to_string()))?;
        let id = || Some(event.event_id().to_owned());
        if self.wanted.as_ref().is_some_and(|wanted| !wanted.contains(event.event_id())) {
            return Err((id(), "nobody asked for it".to_owned()));
        }
        if !event.is_of(&self.room_id) {
            return Err((id(), format!("the event is not of the room {}", self.room_id)));
        }
        Ok(event)
    }

    /// The signatures of all of them: together, and where that does not say that all are right, one by one.
    fn all(&self, read: Vec<Read>) -> Vec<Verified> {
        let together = receive::all_signed(read.iter().filter_map(|event| event.as_ref().ok()), &self.keys);
        let one = |event: Unverified| if together { Ok(event.checked()) } else { self.one(event) };
        read.into_iter().map(|event| event.and_then(one)).collect()
    }

    fn one(&self, event: Unverified) -> Verified {
        let Err(refused) = event.check(&self.keys) else { return Ok(event.checked()) };
        let id = event.event_id().to_owned();
        // By a home that was revoked since: then a cell at work has to have had it before, and both have to have signed.
        let has_revoked = self.keys.own.as_ref().is_some_and(OwnKnown::has_revoked);
        if has_revoked && event.check(&Half { known: &self.keys, witness: true }).is_ok() {
            let homes = Half { known: &self.keys, witness: false };
            return event.verify(&homes).map_err(|refused| (Some(id), refused.to_string()));
        }
        Err((Some(id), refused.to_string()))
    }
}

/// The keys for some events: those of other servers, and those with which a deployment signs in the name of each of its users.
struct Known {
    servers: KeyMap,
    own: Option<OwnKnown>,
}

impl receive::Keys for Known {
    fn key(&self, server: &ServerName, user: Option<&UserId>, key_id: &str) -> Option<&PublicKey> {
        match &self.own {
            Some(own) if server == own.server_name => own.key(user, key_id),
            _ => self.servers.key(server, user, key_id),
        }
    }
}

/// The keys for one half of what an event needs that a revoked cell signed: of homes, or of witnesses.
struct Half<'k> {
    known: &'k Known,
    witness: bool,
}

impl receive::Keys for Half<'_> {
    fn key(&self, server: &ServerName, user: Option<&UserId>, key_id: &str) -> Option<&PublicKey> {
        match &self.known.own {
            Some(own) if server == own.server_name && self.witness => own.witness(key_id),
            Some(own) if server == own.server_name => own.key_of_any_home(user, key_id),
            _ => self.known.servers.key(server, user, key_id),
        }
    }
}

/// The keys that are needed for events.
fn wanted_by(events: &Listed) -> Result<Wanted> {
    let mut wanted = Wanted::new();
    for json in events.texts() {
        let Some(Signers { sent_ts, servers }) = receive::signers(json?.as_bytes()) else { continue };
        for (server, ids) in servers {
            let (all, latest) = wanted.entry(server).or_insert_with(|| (BTreeSet::new(), i64::MIN));
            all.extend(ids);
            *latest = sent_ts.max(*latest);
        }
    }
    Ok(wanted)
}

/// How many threads work at once: as many as there are processors and no more, since each keeps memory of its own. It is asked once: the answer
/// stands in files of the system.
pub(super) fn threads() -> usize {
    static THREADS: LazyLock<usize> = LazyLock::new(|| std::thread::available_parallelism().map_or(1, NonZero::get));
    *THREADS
}

/// Pieces for several threads, in their order.
pub(super) fn pieces_of(events: Listed) -> Vec<Listed> {
    let size = events.len().div_ceil(threads()).clamp(LEAST, CHUNK);
    events.pieces(size)
}

/// Does the same with pieces on the threads for work that takes long, in their order.
async fn in_parallel<R: Send + 'static>(
    mut pieces: Vec<Listed>,
    work: impl Fn(Listed) -> Result<R> + Clone + Send + 'static,
) -> Result<Vec<R>> {
    if let [few] = pieces.as_mut_slice()
        && few.len() <= FEW
    {
        return Ok(vec![work(std::mem::take(few))?]);
    }
    let working = stream::iter(pieces).map(|piece| {
        let work = work.clone();
        async move { tokio::task::spawn_blocking(move || work(piece)).await.map_err(Error::internal)? }
    });
    working.buffered(threads()).try_collect().await
}
