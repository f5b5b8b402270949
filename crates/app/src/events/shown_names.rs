//! Names and pictures of people whose region keeps them out of rooms: they stand in no event, and are put into what a client of this cell is shown of
//! memberships, from memory, each time. Nothing of other cells' people is stored, and it is remembered for seconds.

use std::{sync::Arc, time::Duration};

use domicile_core::{
    clock::{Clock, MINUTE_MS},
    locality::{Destination, Locality},
};
use domicile_room::event::Pdu;
use domicile_store::{
    Snapshot,
    table::{profile_fields, users},
};
use futures::{StreamExt, stream};
use ruma::{OwnedUserId, UserId, events::TimelineEventType};
use serde_json::{Map, Value, value::RawValue};

use crate::{
    Error, Result,
    accounts::Users,
    federation::{Kept, RemoteProfiles},
};

/// The fields of a profile that stand in memberships elsewhere.
const FIELDS: [&str; 2] = ["displayname", "avatar_url"];
/// People of this cell that are remembered.
const KEPT: usize = 10_000;
/// For how long, in milliseconds. A change is seen at once; this is for profiles that come with a move.
const LIFE_MS: i64 = MINUTE_MS;
/// People of other cells who are asked for at once, and for one answer.
const ASKED: (usize, usize) = (16, 64);
/// How long an answer waits for them.
const PATIENCE: Duration = Duration::from_secs(2);

/// What somebody calls themselves: fields of a profile.
pub type Shown = Arc<Map<String, Value>>;

/// Knows them.
pub struct ShownNames {
    users: Arc<Users>,
    remote: Arc<RemoteProfiles>,
    own: Kept<OwnedUserId, Shown>,
}

impl ShownNames {
    /// Over users; others' profiles are those that are remembered.
    pub fn new(users: Arc<Users>, remote: Arc<RemoteProfiles>, clock: Arc<dyn Clock>) -> Self {
        Self { users, remote, own: Kept::new(clock, KEPT) }
    }

    /// Somebody of this cell calls themselves something else.
    pub fn changed(&self, user_id: &UserId) {
        self.own.forget(user_id);
    }

    /// Whether somebody's name stands in no event, and could be known here.
    fn is_withheld(&self, user_id: &UserId) -> bool {
        let localities = self.users.localities();
        localities.cells().is_some() && !localities.shows_profile(user_id)
    }

    /// What somebody calls themselves, if their region keeps it out of events and it is at hand.
    pub async fn of(&self, snapshot: &Snapshot, user_id: &UserId) -> Result<Option<Shown>> {
        if !self.is_withheld(user_id) {
            return Ok(None);
        }
        match self.users.localities().of(user_id) {
            Locality::Here => self.of_own(snapshot, user_id).await.map(Some),
            Locality::Elsewhere(Destination::Cell(_)) => Ok(self.remote.remembered(user_id).map(Arc::new)),
            Locality::Elsewhere(Destination::Server(_)) | Locality::Unknown => Ok(None),
        }
    }

    async fn of_own(&self, snapshot: &Snapshot, user_id: &UserId) -> Result<Shown> {
        if let Some(known) = self.own.get(user_id) {
            return Ok(known);
        }
        let mut shown = Map::new();
        for (user_num, _) in users::local_by_ids(snapshot, [user_id.as_str()]).await? {
            let fields = profile_fields::of_user(snapshot, user_num).await?.into_iter();
            let fields = fields.filter(|(field, _)| FIELDS.contains(&field.as_str()));
            shown.extend(fields.filter_map(|(field, value)| Some((field, serde_json::from_str(&value).ok()?))));
        }
        let shown = Arc::new(shown);
        self.own.put(user_id.to_owned(), Arc::clone(&shown), LIFE_MS);
        Ok(shown)
    }

    /// The content of a membership with what its member calls themselves. None: it is shown as it is.
    pub async fn filled(&self, snapshot: &Snapshot, pdu: &Pdu) -> Result<Option<Box<RawValue>>> {
        if *pdu.kind() != TimelineEventType::RoomMember || self.users.localities().cells().is_none() {
            return Ok(None);
        }
        let Some(user_id) = pdu.state_key().and_then(|key| <&UserId>::try_from(key).ok()) else { return Ok(None) };
        if !matches!(pdu.membership().as_deref(), Some("join" | "invite" | "knock")) {
            return Ok(None);
        }
        let Some(shown) = self.of(snapshot, user_id).await?.filter(|shown| !shown.is_empty()) else { return Ok(None) };
        let Some(mut content) = pdu.content_as::<Map<String, Value>>() else { return Ok(None) };
        for (field, value) in &*shown {
            content.entry(field).or_insert_with(|| value.clone());
        }
        serde_json::value::to_raw_value(&content).map(Some).map_err(Error::internal)
    }

    /// Asks the homes of people what they call themselves, as far as no event says it and it is not remembered: a few, and not for long.
    pub async fn ask_for(&self, people: Vec<OwnedUserId>) {
        let wanted = people.into_iter().filter(|user_id| {
            self.is_withheld(user_id)
                && self.users.localities().other_cell_of(user_id).is_some()
                && self.remote.remembered(user_id).is_none()
        });
        let asking = stream::iter(wanted.take(ASKED.1))
            .map(|user_id| async move { self.remote.get(&user_id).await.is_ok() })
            .buffer_unordered(ASKED.0)
            .count();
        if tokio::time::timeout(PATIENCE, asking).await.is_err() {
            tracing::debug!("some people's names did not come in time");
        }
    }
}
