//! The keys of a version: put, read, deleted, all or those of a room or one.

use std::collections::BTreeMap;

use domicile_core::{error::ErrorKind, ids::UserNum, limits};
use domicile_store::{
    Batch, Snapshot,
    table::key_backup::{self, Key, Version},
};
use ruma::{
    OwnedRoomId, RoomId, UInt,
    api::client::backup::{KeyBackupData, RoomKeyBackup},
    serde::Raw,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Changed, KeyBackup, count, current, existing};
use crate::{Error, Result, e2ee::ATTEMPTS, error::not_found};

/// Largest sealed key in bytes.
const SESSION_DATA_BYTES: usize = 65_536;

/// Keys by session.
pub type Sessions = BTreeMap<String, Raw<KeyBackupData>>;

/// A key as clients write it.
#[derive(Deserialize, Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are the specification's")]
struct Data<'a> {
    first_message_index: UInt,
    forwarded_count: UInt,
    is_verified: bool,
    #[serde(borrow)]
    session_data: &'a RawValue,
}

/// Which keys are meant.
#[derive(Clone, Debug)]
pub enum Which {
    /// All of the version.
    All,
    /// Those of a room.
    Room(OwnedRoomId),
    /// One.
    Session(OwnedRoomId, String),
}

impl KeyBackup {
    /// Puts keys into the current version. Where there is one for the session, the better one stays.
    pub async fn put(
        &self,
        user_num: UserNum,
        version: &str,
        rooms: BTreeMap<OwnedRoomId, Sessions>,
    ) -> Result<Changed> {
        let keys = std::sync::Arc::new(parse(&rooms)?);
        for _ in 0..ATTEMPTS {
            let (wanted, theirs) = (version.to_owned(), std::sync::Arc::clone(&keys));
            let read = self.store.read(move |snapshot| async move {
                let version = current(&snapshot, user_num, &wanted).await?;
                let (better, new) = better(&snapshot, user_num, &version, &theirs).await?;
                Ok::<_, Error>((version, better, new))
            });
            let (version, better, new) = read.await?;
            if better.is_empty() {
                return changed(version.etag, version.key_count);
            }
            let key_count = version.key_count + new;
            let mut batch = Batch::new();
            key_backup::advance(&mut batch, user_num, &version, key_count);
            for key in better {
                key_backup::set_key(&mut batch, user_num, version.version, &keys[key]);
            }
            match self.store.write(batch).await {
                Err(error) if error.is_conflict() => {}
                written => {
                    written?;
                    return changed(version.etag + 1, key_count);
                }
            }
        }
        Err(Error::internal("a key backup was changed by others each time it was written"))
    }

    /// Keys of a version by room. A room or version without keys gives none; a session that is not there is an error.
    pub async fn get(
        &self,
        user_num: UserNum,
        version: String,
        which: Which,
    ) -> Result<BTreeMap<OwnedRoomId, RoomKeyBackup>> {
        let keys = self.store.read(move |snapshot| async move {
            let number = existing(&snapshot, user_num, &version).await?.version;
            find(&snapshot, user_num, number, &which).await
        });
        let mut rooms: BTreeMap<OwnedRoomId, Sessions> = BTreeMap::new();
        for key in keys.await? {
            let room_id = OwnedRoomId::try_from(key.room_id.as_str()).map_err(Error::internal)?;
            rooms.entry(room_id).or_default().insert(key.session_id.clone(), data(&key)?);
        }
        Ok(rooms.into_iter().map(|(room_id, sessions)| (room_id, RoomKeyBackup::new(sessions))).collect())
    }

    /// Keys of one room.
    pub async fn get_room(&self, user_num: UserNum, version: String, room_id: &RoomId) -> Result<Sessions> {
        let mut rooms = self.get(user_num, version, Which::Room(room_id.to_owned())).await?;
        Ok(rooms.remove(room_id).map(|room| room.sessions).unwrap_or_default())
    }

    /// The key of one session.
    pub async fn get_session(
        &self,
        user_num: UserNum,
        version: String,
        room_id: &RoomId,
        session_id: &str,
    ) -> Result<Raw<KeyBackupData>> {
        let which = Which::Session(room_id.to_owned(), session_id.to_owned());
        let mut rooms = self.get(user_num, version, which).await?;
        let sessions = rooms.remove(room_id).map(|room| room.sessions).unwrap_or_default();
        sessions.into_values().next().ok_or_else(|| not_found("The backup has no key of this session."))
    }

    /// Deletes keys of a version.
    pub async fn remove(&self, user_num: UserNum, version: &str, which: Which) -> Result<Changed> {
        for _ in 0..ATTEMPTS {
            let (wanted, theirs) = (version.to_owned(), which.clone());
            let read = self.store.read(move |snapshot| async move {
                let version = existing(&snapshot, user_num, &wanted).await?;
                let gone = match &theirs {
                    Which::All => version.key_count,
                    Which::Room(room_id) => {
                        key_backup::count_of_room(&snapshot, user_num, version.version, room_id.as_str()).await?
                    }
                    Which::Session(..) => {
                        i64::from(!find(&snapshot, user_num, version.version, &theirs).await?.is_empty())
                    }
                };
                Ok::<_, Error>((version, gone))
            });
            let (version, gone) = read.await?;
            if gone == 0 {
                return changed(version.etag, version.key_count);
            }
            match self.store.write(removal(user_num, &version, gone, &which)).await {
                Err(error) if error.is_conflict() => {}
                written => {
                    written?;
                    return changed(version.etag + 1, version.key_count - gone);
                }
            }
        }
        Err(Error::internal("a key backup was changed by others each time it was written"))
    }
}

fn removal(user_num: UserNum, version: &Version, gone: i64, which: &Which) -> Batch {
    let mut batch = Batch::new();
    key_backup::advance(&mut batch, user_num, version, version.key_count - gone);
    match which {
        Which::All => key_backup::remove_all(&mut batch, user_num, version.version),
        Which::Room(room_id) => key_backup::remove_room(&mut batch, user_num, version.version, room_id.as_str()),
        Which::Session(room_id, session_id) => {
            key_backup::remove_session(&mut batch, user_num, version.version, room_id.as_str(), session_id);
        }
    }
    batch
}

fn changed(etag: i64, key_count: i64) -> Result<Changed> {
    Ok(Changed { etag: etag.to_string(), count: count(key_count)? })
}

async fn find(snapshot: &Snapshot, user_num: UserNum, number: i64, which: &Which) -> Result<Vec<Key>> {
    Ok(match which {
        Which::All => key_backup::all(snapshot, user_num, number).await?,
        Which::Room(room_id) => key_backup::of_room(snapshot, user_num, number, room_id.as_str()).await?,
        Which::Session(room_id, session_id) => {
            key_backup::sessions(snapshot, user_num, number, room_id.as_str(), [session_id.as_str()]).await?
        }
    })
}

/// The stored form of keys, or why they are not acceptable.
fn parse(rooms: &BTreeMap<OwnedRoomId, Sessions>) -> Result<Vec<Key>> {
    let mut keys = Vec::new();
    for (room_id, sessions) in rooms {
        for (session_id, raw) in sessions {
            keys.push(parse_one(room_id, session_id, raw)?);
        }
    }
    Ok(keys)
}

fn parse_one(room_id: &RoomId, session_id: &str, raw: &Raw<KeyBackupData>) -> Result<Key> {
    let data: Data<'_> = serde_json::from_str(raw.json().get())
        .map_err(|error| ErrorKind::BadJson.with(format!("A key of room {room_id} does not fit: {error}")))?;
    let session_data = data.session_data.get();
    if !session_data.starts_with('{') {
        return Err(ErrorKind::BadJson.with("The session_data of a key is an object.").into());
    }
    if session_data.len() > SESSION_DATA_BYTES || session_id.len() > limits::ID_BYTES {
        return Err(ErrorKind::TooLarge
            .with(format!("A key of room {room_id} or its session id is too large."))
            .into());
    }
    Ok(Key {
        room_id: room_id.to_string(),
        session_id: session_id.to_owned(),
        first_message_index: data.first_message_index.into(),
        forwarded_count: data.forwarded_count.into(),
        is_verified: data.is_verified,
        session_data: session_data.to_owned(),
    })
}

fn data(key: &Key) -> Result<Raw<KeyBackupData>> {
    let data = Data {
        first_message_index: count(key.first_message_index)?,
        forwarded_count: count(key.forwarded_count)?,
        is_verified: key.is_verified,
        session_data: serde_json::from_str(&key.session_data).map_err(Error::internal)?,
    };
    Ok(Raw::new(&data).map_err(Error::internal)?.cast_unchecked())
}

/// Which of `keys` are new or better than what is there, and how many of them are new.
async fn better(snapshot: &Snapshot, user_num: UserNum, version: &Version, keys: &[Key]) -> Result<(Vec<usize>, i64)> {
    let (mut chosen, mut new) = (Vec::new(), 0);
    let mut start = 0;
    for of_room in keys.chunk_by(|left, right| left.room_id == right.room_id) {
        let ids = of_room.iter().map(|key| key.session_id.as_str());
        let known = key_backup::sessions(snapshot, user_num, version.version, &of_room[0].room_id, ids).await?;
        let known: BTreeMap<&str, &Key> = known.iter().map(|key| (key.session_id.as_str(), key)).collect();
        for (offset, key) in of_room.iter().enumerate() {
            match known.get(key.session_id.as_str()) {
                None => {
                    new += 1;
                    chosen.push(start + offset);
                }
                Some(old) if is_better(key, old) => chosen.push(start + offset),
                Some(_) => {}
            }
        }
        start += of_room.len();
    }
    Ok((chosen, new))
}

/// The specification's order (*Server-side key backups*): verified first, then the one that opens more, then the one that came more directly.
fn is_better(new: &Key, old: &Key) -> bool {
    let rank = |key: &Key| (!key.is_verified, key.first_message_index, key.forwarded_count);
    rank(new) < rank(old)
}
