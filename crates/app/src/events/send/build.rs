//! Step 1: the event itself, and where it stands.

use std::sync::{Arc, atomic::Ordering};

use domicile_core::{
    error::ErrorKind,
    ids::{NodeNum, Position, RoomNum},
};
use domicile_room::{
    auth,
    event::{self, BuildError, EventDraft, Pdu, Place, ReferenceHashes},
};
use domicile_store::{Batch, numbers::Sequence};
use imbl::{HashMap, OrdMap, Vector};
use ruma::{
    OwnedEventId, OwnedRoomId, RoomVersionId,
    room_version_rules::{EventIdFormatVersion, RoomIdFormatVersion},
};

use super::{AuthState, Sender, Staging};
use crate::{
    Error, Result,
    push::Totals,
    rooms::{AllowedMessages, Facts, RoomView},
};

/// Events that a new one names at most. Others refuse more than 20.
const PREV_EVENTS: usize = 10;
/// The greatest depth (server-server, *PDUs*: what canonical JSON can hold).
pub(super) const MAX_DEPTH: i64 = (1 << 53) - 1;

/// The names of the events that allow one.
pub(super) fn auth_events(staging: &Staging, state: &AuthState) -> Vec<OwnedEventId> {
    let names_create = staging.info.rules.authorization.room_create_event_id_as_room_id;
    state
        .iter()
        .filter(|((kind, _), _)| !(names_create && *kind == ruma::events::StateEventType::RoomCreate))
        .map(|(_, pdu)| pdu.event_id().to_owned())
        .collect()
}

/// Builds an event at the end of the copy.
pub(super) async fn build(
    sender: &Sender,
    staging: &Staging,
    draft: EventDraft,
    auth_events: Vec<OwnedEventId>,
) -> Result<Pdu> {
    let place = Place {
        room_id: Some(staging.info.room_id.clone()),
        prev_events: ends(&staging.view),
        auth_events,
        depth: (staging.view.depth + 1).min(MAX_DEPTH),
        origin_server_ts: sender.clock.now_ms(),
    };
    if staging.info.rules.event_id_format == EventIdFormatVersion::V1 {
        return build_old(sender, staging, draft, place).await;
    }
    event::build(draft, place, &staging.info.rules, &sender.signer.current()).map_err(|error| refused(&error))
}

/// The same in room versions 1 and 2, where ids are chosen and events have the hashes of those that they name.
async fn build_old(sender: &Sender, staging: &Staging, draft: EventDraft, place: Place) -> Result<Pdu> {
    let rules = &staging.info.rules;
    let mut hashes = ReferenceHashes::new();
    for id in place.prev_events.iter().chain(&place.auth_events) {
        let named = staging.staged.iter().find(|staged| staged.pdu.event_id() == id);
        let pdu = match named {
            Some(staged) => Arc::clone(&staged.pdu),
            None => match sender.events.by_id(id).await? {
                Some(event) => Arc::clone(&event.pdu),
                None => return Err(Error::internal(format!("the event {id}, which a new one names, is not here"))),
            },
        };
        hashes.insert(id.clone(), event::receive::reference_hash(&pdu, rules).map_err(Error::internal)?);
    }
    let opaque = domicile_core::rng::name(&*sender.rng, 18);
    let id = OwnedEventId::try_from(format!("${opaque}:{}", sender.users.server_name())).map_err(Error::internal)?;
    event::build_old(draft, place, id, &hashes, rules, &sender.signer.current()).map_err(|error| refused(&error))
}

/// The events that a new one names: the newest ends of the graph. Whatever ends are left stay for the next.
fn ends(view: &RoomView) -> Vec<OwnedEventId> {
    view.extremities.iter().rev().take(PREV_EVENTS).map(|(_, id)| id.clone()).collect()
}

/// What a client is told about an event that cannot be built.
fn refused(error: &BuildError) -> Error {
    let kind = match error {
        BuildError::TooLarge { .. } => ErrorKind::TooLarge,
        BuildError::Content(_) | BuildError::Invalid(_) => ErrorKind::BadJson,
    };
    kind.with(format!("The event cannot be sent: {error}.")).into()
}

/// A room with nothing but its create event.
pub(super) async fn begin_room(sender: &Sender, version: &RoomVersionId, draft: EventDraft) -> Result<Staging> {
    let unsupported = || ErrorKind::UnsupportedRoomVersion.with(format!("Room version {version} is not known here."));
    let rules = version.rules().ok_or_else(unsupported)?;
    let hashed = rules.room_id_format == RoomIdFormatVersion::V2;
    let chosen = (!hashed).then(|| sender.new_room_id()).transpose()?;
    let place = Place {
        room_id: chosen.clone(),
        prev_events: Vec::new(),
        auth_events: Vec::new(),
        depth: 1,
        origin_server_ts: sender.create_ts(),
    };
    let create =
        Arc::new(event::build(draft, place, &rules, &sender.signer.current()).map_err(|error| refused(&error))?);
    let room_id = match chosen {
        Some(room_id) => room_id,
        None => OwnedRoomId::try_from(create.event_id().as_str().replacen('$', "!", 1)).map_err(Error::internal)?,
    };
    let room_num: RoomNum = sender.store.number(Sequence::Room).await?;
    let info = sender.events.remember_room(room_num, room_id.to_string(), version.as_str())?;
    let facts = Facts {
        power_levels: Arc::new(auth::power_levels(&create, None, &info.rules)),
        create: Arc::clone(&create),
        power_levels_event: None,
        join_rules: None,
        history_visibility: None,
        server_acl: None,
        policy: None,
        encrypted: false,
    };
    let view = RoomView {
        revision: 0,
        state_root: NodeNum(0),
        last_position: Position::START,
        depth: 0,
        extremities: Vec::new(),
        state: OrdMap::new(),
        members: OrdMap::new(),
        joined: 0,
        here: 0,
        invited: 0,
        facts: Arc::new(facts),
        totals: Totals::default(),
        recent: Vector::new(),
        has_relations: false,
        threads: HashMap::new(),
        allowed: AllowedMessages::default(),
        is_public: false,
        destinations: HashMap::new(),
        partial: None,
    };
    let mut staging = Staging {
        info,
        view,
        batch: Batch::new(),
        from_revision: None,
        further_ends: 0,
        staged: Vec::new(),
        redacted: Vec::new(),
        notifies: false,
        resolved: Vec::new(),
        aside: Vec::new(),
        newcomers: Vec::new(),
        first_of: Vec::new(),
    };
    super::authorise::authorise(&staging, &create, &AuthState::new())?;
    sender.put(&mut staging, create, Vec::new()).await?;
    Ok(staging)
}

impl Sender {
    /// A time that no other create event of this process has. In room version 12 the room's id is the hash of its create event: two rooms that
    /// somebody makes in one millisecond would be one.
    fn create_ts(&self) -> i64 {
        let now_ms = self.clock.now_ms();
        let next = |last: i64| Some(now_ms.max(last + 1));
        self.last_create
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, next)
            .map_or(now_ms, |last| now_ms.max(last + 1))
    }

    /// A random id for a room whose version does not give it one.
    fn new_room_id(&self) -> Result<OwnedRoomId> {
        let opaque = domicile_core::rng::name(&*self.rng, 18);
        OwnedRoomId::try_from(format!("!{opaque}:{}", self.users.server_name())).map_err(Error::internal)
    }
}
