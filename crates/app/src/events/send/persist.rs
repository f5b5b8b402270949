//! Step 3: the copy shows the event, and one batch puts it on disk: event, state, membership, the room's new revision.

use std::sync::Arc;

use domicile_core::{
    error::ErrorKind,
    ids::{EventNum, KeyNum, NodeNum, UserNum},
};
use domicile_room::event::{ClientEvent, Pdu};
use domicile_store::{
    Batch, Value, event_id,
    numbers::Sequence,
    table::{
        destinations,
        events::{self, Status},
        graph, memberships, push, rooms,
    },
};
use ruma::UserId;

use super::{Aside, Sender, StagedEvent, Staging, build::MAX_DEPTH, follow::Changes};
use crate::{
    Result,
    events::{Stored, insert_told},
    rooms::{RoomInfo, RoomView, live::RECENT},
};

/// Ends of a room's graph that are kept at most.
const ENDS: usize = 40;

impl Sender {
    /// Lets the copy show an event that was made here. `auths` are the events that allow it, if it is a state event.
    pub(super) async fn put(&self, staging: &mut Staging, pdu: Arc<Pdu>, auths: Vec<EventNum>) -> Result<()> {
        let event_num: EventNum = self.store.number(Sequence::Event).await?;
        let state_before = staging.view.state_root;
        let mut changes = Changes::default();
        let key_num = match pdu.state_key() {
            Some(state_key) => {
                self.check_target(&pdu, state_key).await?;
                let key_num = self.keys.intern(&pdu.kind().to_string(), state_key).await?;
                let root = self.trees.insert(&mut staging.batch, state_before, key_num, event_num).await?;
                staging.view.state_root = root;
                staging.view.state.insert(key_num, event_num);
                self.follow(staging, &mut changes, event_num, &pdu, state_key).await?;
                Some(key_num)
            }
            None => None,
        };
        let tell = !staging.view.destinations.is_empty() || changes.concern_others();
        let place = Placed { event_num, state_before, graph_state: None, key_num, auths, tell, known: false };
        self.add(staging, pdu, place, changes).await
    }

    /// Adds an event whose state the copy shows already to its timeline and its graph.
    pub(super) async fn add(
        &self,
        staging: &mut Staging,
        pdu: Arc<Pdu>,
        place: Placed,
        changes: Changes,
    ) -> Result<()> {
        let sender_num = self.sender_num(&pdu).await?;
        let related = self.relate(staging, &pdu).await?;
        let thread_num = related.as_ref().and_then(|related| related.thread_num);
        let counted = self.count(staging, &pdu, thread_num).await?;
        let view = &mut staging.view;
        view.has_relations |= related.is_some();
        view.depth = view.depth.max(pdu.depth()).min(MAX_DEPTH);
        view.extremities.retain(|(_, id)| !pdu.prev_events().contains(id));
        view.extremities.push((place.event_num, pdu.event_id().to_owned()));
        // Ends are tied together before there are so many (`tie.rs`). Where nobody here may do that, the oldest are let go.
        if view.extremities.len() > ENDS {
            view.extremities.remove(0);
        }
        let Placed { event_num, state_before, graph_state, key_num, auths, tell, known } = place;
        let Changes { members, destinations, told_once } = changes;
        staging.staged.push(StagedEvent {
            event_num,
            pdu,
            sender_num,
            state_before,
            graph_state,
            key_num,
            auths,
            members,
            destinations,
            told_once,
            related,
            counted,
            tell,
            known,
        });
        Ok(())
    }

    /// The number of an event's sender. Events may come back of people whom this server does not know any more.
    /// What ties the graph together is said by nobody: nobody has read the room by it.
    pub(super) async fn sender_num(&self, pdu: &Pdu) -> Result<UserNum> {
        if pdu.is_dummy() {
            return Ok(UserNum::NOBODY);
        }
        Ok(self.users.num_or_new(pdu.sender()).await?.unwrap_or(UserNum::NOBODY))
    }

    /// Refuses a member event about somebody of this server who does not exist.
    async fn check_target(&self, pdu: &Pdu, state_key: &str) -> Result<()> {
        if pdu.membership().is_none() {
            return Ok(());
        }
        let user_id = <&UserId>::try_from(state_key)
            .map_err(|_| ErrorKind::InvalidParam.with(format!("{state_key} is no user id.")))?;
        let found = self.users.num_or_new(user_id).await?;
        found.map(drop).ok_or_else(|| ErrorKind::NotFound.with(format!("There is no user {user_id} here.")).into())
    }

    /// The numbers of events that allow another.
    pub(super) async fn auth_nums(
        &self,
        staging: &Staging,
        auths: impl Iterator<Item = &Arc<Pdu>>,
    ) -> Result<Vec<EventNum>> {
        let mut nums = Vec::with_capacity(4);
        for pdu in auths {
            if let Some(staged) = staging.staged.iter().find(|staged| staged.pdu.event_id() == pdu.event_id()) {
                nums.push(staged.event_num);
            } else if let Some(event) = self.events.by_id(pdu.event_id()).await? {
                nums.push(event.event_num);
            }
        }
        Ok(nums)
    }
}

/// Where a new event stands.
pub(super) struct Placed {
    pub(super) event_num: EventNum,
    pub(super) state_before: NodeNum,
    pub(super) graph_state: Option<NodeNum>,
    pub(super) key_num: Option<KeyNum>,
    pub(super) auths: Vec<EventNum>,
    pub(super) tell: bool,
    pub(super) known: bool,
}

/// Writes what is staged; gives the room as it is now and the events as they are stored.
pub(super) async fn persist(sender: &Sender, staging: Staging) -> Result<(RoomView, Vec<Arc<Stored>>)> {
    let Staging {
        info, mut view, batch: extra, from_revision, further_ends, staged, redacted, resolved, aside, ..
    } = staging;
    let mut batch = Batch::new();
    let positions: Vec<Value> = staged.iter().map(|_| batch.position()).collect();
    let last = positions.last().cloned().unwrap_or(Value::from(view.last_position));
    let totals = view.totals.encode();
    let end_num = view.extremities.last().map(|(event_num, _)| *event_num).unwrap_or_default();
    if let Some(from_revision) = from_revision {
        let advance = rooms::Advance {
            room_num: info.room_num,
            from_revision,
            state_root: view.state_root,
            last_position: last,
            end_num,
            depth: view.depth,
            totals,
        };
        rooms::advance(&mut batch, advance);
    } else {
        let row = rooms::Room {
            room_num: info.room_num,
            room_id: info.room_id.to_string(),
            room_version: info.version.to_string(),
            revision: 1,
            state_root: view.state_root,
            last_position: view.last_position,
            end_num,
            depth: view.depth,
            totals,
            is_public: view.is_public,
            has_copy: true,
        };
        rooms::insert(&mut batch, &row, last, sender.clock.now_ms());
    }
    for (event, position) in staged.iter().zip(&positions) {
        insert(&mut batch, &info, event, position);
    }
    for event in &aside {
        event.insert(&mut batch, &info);
    }
    if (further_ends > 0 || view.extremities.len() > 1) && !staged.is_empty() {
        rooms::remove_further_extremities(&mut batch, info.room_num);
        for (event_num, _) in view.extremities.iter().rev().skip(1) {
            rooms::add_further_extremity(&mut batch, info.room_num, *event_num);
        }
    }
    note_readers_by_writing(sender, &mut batch, &info, &view, &staged);
    batch.append(extra);
    let committed = sender.store.write(batch).await?;

    for event_num in redacted.iter().map(|(event_num, _)| *event_num).chain(aside.iter().map(|event| event.event_num)) {
        sender.events.forget(event_num);
    }
    let is_member = |kind: &String| kind == "m.room.member";
    if staged.iter().any(|event| event.pdu.membership().is_some()) || resolved.iter().any(is_member) {
        sender.push.forget(info.room_num);
    }
    view.revision = from_revision.unwrap_or(0) + 1;
    let mut stored = Vec::with_capacity(staged.len());
    for (index, event) in (0_u32..).zip(staged) {
        let position = committed.position(index);
        view.last_position = position;
        let event = Arc::new(Stored {
            event_num: event.event_num,
            room: Arc::clone(&info),
            position: Some(position),
            sender_num: event.sender_num,
            state_before: event.state_before,
            graph_state: event.graph_state,
            status: Status::ACCEPTED,
            thread_num: event.thread_num(),
            redacted_by: None,
            totals: event.counted.totals,
            client: ClientEvent::new(&event.pdu),
            pdu: event.pdu,
        });
        view.push_recent(Arc::clone(&event));
        sender.events.remember(&event);
        stored.push(event);
    }
    Ok((view, stored))
}

/// Whoever writes has read what came before. While their last message is among the room's recent events, these say so; when it leaves them, it is
/// written down. So a conversation writes nothing about it.
fn note_readers_by_writing(
    sender: &Sender,
    batch: &mut Batch,
    info: &RoomInfo,
    view: &RoomView,
    staged: &[StagedEvent],
) {
    let leaving = (view.recent.len() + staged.len()).saturating_sub(RECENT).min(view.recent.len());
    for (index, event) in view.recent.iter().take(leaving).enumerate() {
        let (Some(position), false) = (event.position, event.pdu.is_state()) else { continue };
        if event.sender_num == UserNum::NOBODY || !sender.users.is_local(event.pdu.sender()) {
            continue;
        }
        let same = |later: &Arc<Stored>| later.sender_num == event.sender_num && !later.pdu.is_state();
        let stays = view.recent.iter().skip(index + 1).any(same)
            || staged.iter().any(|staged| staged.sender_num == event.sender_num && staged.key_num.is_none());
        if !stays {
            push::sent(batch, event.sender_num, info.room_num, position);
        }
    }
}

fn insert(batch: &mut Batch, info: &RoomInfo, event: &StagedEvent, position: &Value) {
    let row = events::Event {
        event_num: event.event_num,
        room_num: info.room_num,
        position: None,
        event_id: event_id::to_bytes(event.pdu.event_id()),
        sender_num: event.sender_num,
        origin_server_ts: i64::from(event.pdu.origin_server_ts().0),
        state_before: event.state_before,
        graph_state: event.graph_state,
        status: Status::ACCEPTED,
        key_num: event.key_num,
        thread_num: event.thread_num(),
        redacted_by: None,
        totals: event.counted.totals.clone(),
        json: event.pdu.json().clone(),
    };
    if event.known {
        events::place(batch, &row, position.clone());
    } else {
        insert_told(batch, &row, position.clone(), &event.pdu);
    }
    if event.key_num.is_some() && !event.known {
        graph::add_auth_edges(batch, info.room_num, event.event_num, &event.auths);
    }
    if event.tell {
        destinations::tell(batch, position.clone(), info.room_num, event.event_num);
    }
    for (destination_num, joined) in &event.destinations {
        destinations::set_joined(batch, info.room_num, *destination_num, *joined, position.clone());
    }
    for destination_num in &event.told_once {
        destinations::tell_once(batch, info.room_num, *destination_num, position.clone());
    }
    if let Some(related) = &event.related {
        related.write(batch, info.room_num, event, position);
    }
    for (user_num, notify, highlight) in &event.counted.own {
        let counts = (*notify, *highlight);
        push::insert_own(batch, *user_num, info.room_num, position.clone(), event.thread_num(), counts);
    }
    for (user_num, member) in &event.members {
        let membership = member.membership.as_str();
        memberships::set(batch, *user_num, info.room_num, membership, member.event_num, position.clone());
    }
}

impl Aside {
    /// Writes the event without a place in the timeline.
    fn insert(&self, batch: &mut Batch, info: &RoomInfo) {
        let row = events::Event {
            event_num: self.event_num,
            room_num: info.room_num,
            position: None,
            event_id: event_id::to_bytes(self.pdu.event_id()),
            sender_num: self.sender_num,
            origin_server_ts: i64::from(self.pdu.origin_server_ts().0),
            state_before: self.graph_state,
            graph_state: None,
            status: self.status,
            key_num: self.key_num,
            thread_num: None,
            redacted_by: None,
            totals: None,
            json: self.pdu.json().clone(),
        };
        if self.known {
            events::place(batch, &row, Value::Null);
        } else {
            events::insert(batch, &row, Value::Null);
        }
        if self.key_num.is_some() && !self.known {
            graph::add_auth_edges(batch, info.room_num, self.event_num, &self.auths);
        }
    }
}
