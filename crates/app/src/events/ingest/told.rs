//! A room's state as another server tells it: tens of thousands of events, which are checked and written in parts, so that no more than a part of
//! them is in memory as more than text.
//!
//! What allows other events comes first, all at once; then members, then the rest. What lacks something that comes later is put off to the end.

use std::{borrow::Cow, collections::HashSet, sync::Arc};

use domicile_core::ids::{EventNum, KeyNum};
use domicile_room::{
    auth::{self, StateMap},
    event::Pdu,
};
use domicile_store::table::events::Status;
use ruma::{OwnedEventId, OwnedUserId, RoomVersionId, events::StateEventType};
use serde::Deserialize;

use super::{
    Ingest,
    outliers::Kept,
    verify::{pieces_of, threads},
};
use crate::{
    Error, Result,
    federation::Listed,
    rooms::{Membership, RoomInfo},
};

/// A state that another server told, when all of it is on disk.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Each pair and its event, in the order of the pairs, without what is rejected or left out. A pair may be there twice.
    pub(crate) state: Vec<(KeyNum, EventNum)>,
    /// Who has which membership by which event of the state.
    pub(crate) members: Vec<(OwnedUserId, Membership, EventNum)>,
    /// Events of the state that are wrong.
    pub(crate) wrong: usize,
    /// Events that were wanted and neither came nor are wrong, or lack what allows them.
    pub(crate) lacking: HashSet<OwnedEventId>,
}

/// The state on its way.
struct Keeping<'a> {
    ingest: &'a Ingest,
    info: &'a RoomInfo,
    wanted: Option<Arc<HashSet<OwnedEventId>>>,
    told: Told,
    /// Events that lack others, and whether they are of the state.
    put_off: Vec<(Arc<Pdu>, bool)>,
}

impl Ingest {
    /// Keeps a state and what allows it; of both only events that `wanted` names, if it is given.
    pub(crate) async fn keep_told(
        &self,
        info: &RoomInfo,
        chain: Listed,
        state: Listed,
        wanted: Option<Arc<HashSet<OwnedEventId>>>,
    ) -> Result<Told> {
        let lacking = wanted.as_deref().cloned().unwrap_or_default();
        let told = Told { lacking, ..Told::default() };
        let mut keeping = Keeping { ingest: self, info, wanted, told, put_off: Vec::new() };
        let [allowing, members, others] =
            tokio::task::spawn_blocking(|| by_use(state)).await.map_err(Error::internal)??;
        keeping.at_once(chain, allowing).await?;
        keeping.in_parts(members).await?;
        keeping.in_parts(others).await?;
        keeping.end().await
    }

    /// Whether a state, in the order of its pairs, is one on which our join stands; if not, why. Of members that it leaves out, those speak that
    /// are `lent`.
    pub(crate) async fn stands(
        &self,
        info: &RoomInfo,
        join: &Pdu,
        state: &[(KeyNum, EventNum)],
        lent: &[Arc<Pdu>],
    ) -> Result<std::result::Result<(), String>> {
        if let Some(twice) = state.windows(2).find(|two| two[0].0 == two[1].0) {
            let event = self.events.get(twice[0].1).await?;
            let key = event.pdu.state_key().unwrap_or_default();
            return Ok(Err(format!("its state has {} {key:?} twice", event.pdu.kind())));
        }
        let Some(create) = self.event_of(state, &StateEventType::RoomCreate, "").await? else {
            return Ok(Err("its state has no create event".to_owned()));
        };
        let version = auth::room_version(&create).unwrap_or(RoomVersionId::V1);
        if version != info.version {
            return Ok(Err(format!("the room's version is {version}, and it said {}", info.version)));
        }
        let keys = auth::auth_event_keys(join.kind(), join.sender(), join.state_key(), join.content(), &info.rules);
        let keys = match keys {
            Ok(keys) => keys,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let mut allowing = StateMap::from([((StateEventType::RoomCreate, String::new()), create)]);
        for (kind, state_key) in keys.into_iter().filter(|(kind, _)| *kind != StateEventType::RoomCreate) {
            let says = |pdu: &&Arc<Pdu>| pdu.membership().is_some() && pdu.state_key() == Some(state_key.as_str());
            let event = match self.event_of(state, &kind, &state_key).await? {
                None if kind == StateEventType::RoomMember => lent.iter().find(says).cloned(),
                found => found,
            };
            if let Some(event) = event {
                allowing.insert((kind, state_key), event);
            }
        }
        let allowed = auth::allowed_by_state(join, &info.rules, &allowing);
        Ok(allowed.map_err(|error| format!("our join does not stand on it: {error}")))
    }

    /// The event of a pair in a state that is in the order of its pairs.
    pub(crate) async fn event_of(
        &self,
        state: &[(KeyNum, EventNum)],
        kind: &StateEventType,
        state_key: &str,
    ) -> Result<Option<Arc<Pdu>>> {
        let Some(key_num) = self.keys.find(&kind.to_string(), state_key).await? else { return Ok(None) };
        let Ok(at) = state.binary_search_by_key(&key_num, |(key_num, _)| *key_num) else { return Ok(None) };
        Ok(Some(Arc::clone(&self.events.get(state[at].1).await?.pdu)))
    }
}

impl Keeping<'_> {
    /// What allows events, as a whole: some of it allows the rest.
    async fn at_once(&mut self, chain: Listed, allowing: Listed) -> Result<()> {
        let mut pieces = pieces_of(chain);
        let of_chain: usize = pieces.iter().map(Listed::len).sum();
        pieces.extend(pieces_of(allowing));
        let (checker, pieces) = self.checker(pieces).await?;
        let mut right = Vec::new();
        for (index, verified) in checker.check(pieces).await?.into_iter().enumerate() {
            match verified {
                Ok(received) => right.push((Arc::new(received.pdu), index >= of_chain)),
                Err((id, _)) => self.is_wrong(id.as_ref(), index >= of_chain),
            }
        }
        self.keep(right, true).await
    }

    /// Other events, a part after the other.
    async fn in_parts(&mut self, events: Listed) -> Result<()> {
        if events.is_empty() || self.has_all() {
            return Ok(());
        }
        let (checker, pieces) = self.checker(pieces_of(events)).await?;
        let mut pieces = pieces.into_iter();
        loop {
            // One for each thread, before what they hold is written.
            let part: Vec<Listed> = pieces.by_ref().take(threads()).collect();
            if part.is_empty() {
                return Ok(());
            }
            let mut right = Vec::new();
            for verified in checker.check(part).await? {
                match verified {
                    Ok(received) => right.push((Arc::new(received.pdu), true)),
                    Err((id, _)) => self.is_wrong(id.as_ref(), true),
                }
            }
            self.keep(right, true).await?;
        }
    }

    async fn checker(&self, pieces: Vec<Listed>) -> Result<(super::verify::Checker, Vec<Listed>)> {
        let Keeping { ingest, info, wanted, .. } = self;
        ingest.checker(&info.rules, &info.room_id, pieces, wanted.clone()).await
    }

    /// Whether nothing more is wanted.
    fn has_all(&self) -> bool {
        self.wanted.is_some() && self.told.lacking.is_empty()
    }

    /// Notes an event that is wrong, if anybody asked for it.
    fn is_wrong(&mut self, event_id: Option<&OwnedEventId>, is_state: bool) {
        let asked = match (&self.wanted, event_id) {
            (Some(_), Some(id)) => self.told.lacking.remove(id),
            (Some(_), None) => false,
            (None, _) => true,
        };
        self.told.wrong += usize::from(asked && is_state);
    }

    /// Keeps events that are right. What lacks others is put off, if there is a later.
    async fn keep(&mut self, right: Vec<(Arc<Pdu>, bool)>, is_there_more: bool) -> Result<()> {
        let pdus = right.iter().map(|(pdu, _)| Arc::clone(pdu)).collect();
        let kept = self.ingest.keep_outliers(self.info, pdus).await?;
        for (pdu, is_state) in right {
            if !kept.contains_key(pdu.event_id()) {
                if is_there_more {
                    self.put_off.push((pdu, is_state));
                }
                continue;
            }
            self.told.lacking.remove(pdu.event_id());
            if is_state {
                self.add(&kept, &pdu).await?;
            }
        }
        Ok(())
    }

    async fn add(&mut self, kept: &Kept, pdu: &Pdu) -> Result<()> {
        let (Some((event_num, _, status)), Some(state_key)) = (kept.get(pdu.event_id()), pdu.state_key()) else {
            return Ok(());
        };
        if status.has(Status::REJECTED) {
            return Ok(());
        }
        let key_num = self.ingest.keys.intern(&pdu.kind().to_string(), state_key).await?;
        self.told.state.push((key_num, *event_num));
        if let (Some(word), Ok(user_id)) = (pdu.membership(), OwnedUserId::try_from(state_key)) {
            self.told.members.push((user_id, Membership::parse(&word), *event_num));
        }
        Ok(())
    }

    /// What was put off, and the state in its order.
    async fn end(mut self) -> Result<Told> {
        let put_off = std::mem::take(&mut self.put_off);
        self.keep(put_off, false).await?;
        self.told.state.sort_unstable();
        self.told.state.dedup();
        Ok(self.told)
    }
}

/// The events of a state by what they are for: what allows others, members, and the rest, with what cannot be read, of which it is told where it is
/// checked.
fn by_use(state: Listed) -> Result<[Listed; 3]> {
    #[derive(Deserialize)]
    struct Kind<'a> {
        #[serde(borrow, rename = "type")]
        kind: Cow<'a, str>,
    }
    state.sorted(|event| match serde_json::from_str::<Kind<'_>>(event).as_ref().map(|event| &*event.kind) {
        Ok("m.room.create" | "m.room.power_levels" | "m.room.join_rules" | "m.room.third_party_invite") => 0,
        Ok("m.room.member") => 1,
        _ => 2,
    })
}
