//! A room that was joined before its members were known becomes whole: the state before our join comes from a server of the room, and what
//! came since is judged again on it, since it was let in by what was known.
//!
//! Nothing that is fetched counts until the one write at the end, so it does not matter where a fetch breaks off. What was fetched stays as
//! outliers, and is not fetched again.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use domicile_core::ids::{DestinationNum, EventNum, KeyNum, NodeNum, Position, UserNum};
use domicile_room::{
    auth::{self, StateMap},
    event::Pdu,
};
use domicile_store::{
    Batch,
    table::{
        destinations, events as event_rows, inbound, memberships, partial_rooms, relations, rooms, state as state_rows,
    },
};
use ruma::{OwnedUserId, ServerName, events::StateEventType};

use super::{Ingest, missing::FetchError, replay::Replay, state_elsewhere::StateBefore};
use crate::{
    Result,
    events::Stored,
    rooms::{Membership, Room, RoomView},
};

/// Members that are written or read at once, so that others' writes come in between.
const CHUNK: usize = 500;
/// How long one server may take to tell the state: others' rooms wait meanwhile.
const PATIENCE: Duration = Duration::from_mins(10);

/// What a completion did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Completed {
    /// Members that became known.
    pub members: usize,
    /// Events since the join that turned out not to be allowed.
    pub taken_out: usize,
    /// Events of the state that were wrong or not to be had.
    pub left_out: usize,
}

/// The room's members as they turn out to be.
struct Members {
    known: HashMap<UserNum, (Membership, EventNum)>,
    /// Whether anything but members is not as it was known.
    others_differ: bool,
    count: usize,
}

impl Ingest {
    /// Fetches the state before our join from a server, and makes the room whole. The inner error: what the server told is of no use, such as a
    /// state of which it does not give all, if `is_strict`.
    pub async fn complete(
        self: &Arc<Self>,
        room: &Arc<Room>,
        server: &ServerName,
        is_strict: bool,
    ) -> Result<std::result::Result<Completed, String>> {
        let Some(partial) = room.view().partial.clone() else { return Ok(Ok(Completed::default())) };
        let join = self.events.get(partial.join_num).await?;
        let event_id = join.event_id().to_owned();
        let told = tokio::time::timeout(PATIENCE, self.told_state_before(room, &event_id, server)).await;
        let StateBefore { state, left_out, lacking } = match told {
            Ok(Ok(told)) => told,
            Ok(Err(FetchError::Here(error))) => return Err(error),
            Ok(Err(FetchError::Peer(error))) => return Ok(Err(error.to_string())),
            Err(_) => return Ok(Err(format!("it took longer than {} minutes", PATIENCE.as_secs() / 60))),
        };
        if lacking > 0 && is_strict {
            return Ok(Err(format!("it does not give {lacking} events of the state that it names")));
        }
        let create = self.event_of(&state, &StateEventType::RoomCreate, "").await?;
        if create.is_none_or(|create| create.event_id() != room.view().facts.create.event_id()) {
            return Ok(Err("its state does not have the room's create event".to_owned()));
        }
        if let Err(reason) = self.stands(&room.info, &join.pdu, &state, &[]).await? {
            return Ok(Err(reason));
        }
        self.write_known(room, &state).await?;
        let full = self.state_of(&state).await?;
        drop(state);
        let mut completed = self.settle(room, &join, full).await?;
        completed.left_out = left_out;
        Ok(Ok(completed))
    }

    /// Writes the memberships of people of whom nothing is known yet, in parts. They count when the room is whole.
    async fn write_known(&self, room: &Room, state: &[(KeyNum, EventNum)]) -> Result<()> {
        for chunk in state.chunks(CHUNK) {
            let keys: Vec<KeyNum> = chunk.iter().map(|(key_num, _)| *key_num).collect();
            let found = self
                .store
                .read(move |snapshot| async move { state_rows::keys_of_kind(&snapshot, "m.room.member", keys).await });
            let keys: HashSet<KeyNum> = found.await?.into_iter().map(|(key_num, _)| key_num).collect();
            let nums = chunk.iter().filter(|(key_num, _)| keys.contains(key_num)).map(|(_, event_num)| *event_num);
            let (members, _) = self.members_among(nums.collect()).await?;
            if members.is_empty() {
                continue;
            }
            let mut batch = Batch::new();
            batch.low_priority();
            for (user_num, membership, event_num) in members {
                memberships::add_known(&mut batch, user_num, room.info.room_num, membership.as_str(), event_num);
            }
            self.store.write(batch).await?;
        }
        Ok(())
    }

    /// Those of some state events that say somebody's membership: whose, which, and the event. And whether there are others among them.
    async fn members_among(&self, nums: Vec<EventNum>) -> Result<(Vec<(UserNum, Membership, EventNum)>, bool)> {
        let (mut ids, mut said, mut others) = (Vec::new(), Vec::new(), false);
        for event in self.events.get_passing(nums).await? {
            let user_id = event.pdu.state_key().and_then(|key| OwnedUserId::try_from(key).ok());
            if let (Some(word), Some(user_id)) = (event.pdu.membership(), user_id) {
                ids.push(user_id);
                said.push((Membership::parse(&word), event.event_num));
            } else {
                others = true;
            }
        }
        let nums = self.users.nums_or_new(&ids).await?;
        let members = nums.into_iter().zip(said);
        let members = members.filter_map(|(user_num, (membership, num))| Some((user_num?, membership, num)));
        Ok((members.collect(), others))
    }

    /// Puts the whole state under what came since our join.
    async fn settle(self: &Arc<Self>, room: &Arc<Room>, join: &Arc<Stored>, full: NodeNum) -> Result<Completed> {
        let writer = room.writer().await;
        let view = room.view();
        let Some(partial) = view.partial.clone().filter(|partial| partial.join_num == join.event_num) else {
            return Ok(Completed::default());
        };
        let replay = Replay::run(self, room, &partial, join, full).await?;
        let members = self.members_in(&view, replay.current).await?;
        let mut batch = Batch::new();
        let position = batch.position();
        let (end_num, further) = replay.ends_split(join);
        rooms::advance(
            &mut batch,
            rooms::Advance {
                room_num: room.info.room_num,
                from_revision: view.revision,
                state_root: replay.current,
                last_position: view.last_position.into(),
                end_num,
                depth: view.depth,
                totals: view.totals.encode(),
            },
        );
        rooms::remove_further_extremities(&mut batch, room.info.room_num);
        for event_num in further {
            rooms::add_further_extremity(&mut batch, room.info.room_num, event_num);
        }
        for (event_num, before, graph_state) in &replay.states {
            event_rows::set_states(&mut batch, *event_num, *before, *graph_state);
        }
        for (event_num, status) in &replay.taken_out {
            event_rows::take_out(&mut batch, *event_num, *status);
            relations::remove(&mut batch, *event_num);
        }
        self.write_changed(&mut batch, room, &members, &position).await?;
        self.write_counts(&mut batch, &view, room, &members, (join.position, &position)).await?;
        if members.others_differ {
            memberships::show_anew(&mut batch, room.info.room_num, position.clone());
        }
        rooms::set_whole(&mut batch, room.info.room_num, position);
        partial_rooms::remove(&mut batch, room.info.room_num);
        inbound::hasten(&mut batch, room.info.room_num, self.clock.now_ms());
        self.store.write(batch).await?;
        for (event_num, ..) in &replay.states {
            self.events.forget(*event_num);
            self.resolution.forget(*event_num);
        }
        self.rooms.reload(room).await?;
        if members.others_differ {
            let mut batch = Batch::new();
            rooms::set_open(&mut batch, room.info.room_num, room.view().facts.is_open());
            self.store.write(batch).await?;
        }
        drop(writer);
        self.rooms.members_came();
        self.sender.became_whole(room);
        self.begin_work(room.info.room_num);
        Ok(Completed { members: members.count, taken_out: replay.taken_out.len(), left_out: 0 })
    }

    /// Everybody's membership in a state.
    async fn members_in(&self, view: &RoomView, root: NodeNum) -> Result<Members> {
        let (trees, old) = (Arc::clone(&self.trees), view.state_root);
        let read = self.store.read(move |snapshot| async move { trees.differences(&snapshot, old, root).await });
        let differences = read.await?;
        let mut members = Members {
            known: view.members.iter().map(|(num, member)| (*num, (member.membership, member.event_num))).collect(),
            others_differ: false,
            count: 0,
        };
        for chunk in differences.chunks(CHUNK) {
            // What the state has no more tells its own kind.
            let nums = chunk.iter().filter_map(|(_, old, new)| new.or(*old)).collect();
            let gone: HashSet<EventNum> =
                chunk.iter().filter(|(_, _, new)| new.is_none()).filter_map(|(_, old, _)| *old).collect();
            let (found, others) = self.members_among(nums).await?;
            members.others_differ |= others;
            for (user_num, membership, event_num) in found {
                let membership = if gone.contains(&event_num) { Membership::Leave } else { membership };
                members.known.insert(user_num, (membership, event_num));
                members.count += 1;
            }
        }
        Ok(members)
    }

    /// Memberships that are not as they were written.
    async fn write_changed(
        &self,
        batch: &mut Batch,
        room: &Room,
        members: &Members,
        position: &domicile_store::Value,
    ) -> Result<()> {
        let room_num = room.info.room_num;
        let read = self.store.read(move |snapshot| async move { memberships::of_room(&snapshot, room_num).await });
        let rows: HashMap<UserNum, memberships::Membership> =
            read.await?.into_iter().map(|row| (row.user_num, row)).collect();
        for (user_num, (membership, event_num)) in &members.known {
            let same = rows
                .get(user_num)
                .is_some_and(|row| row.membership == membership.as_str() && row.event_num == *event_num);
            if !same {
                memberships::set(batch, *user_num, room_num, membership.as_str(), *event_num, position.clone());
            }
        }
        // What another server told before, whose state did not hold or was not taken to the end.
        for row in
            rows.values().filter(|row| row.position < Position::START && !members.known.contains_key(&row.user_num))
        {
            memberships::remove(batch, row.user_num, room_num);
        }
        Ok(())
    }

    /// How many members each server has. Who becomes known only now is told what happened since we came.
    async fn write_counts(
        &self,
        batch: &mut Batch,
        view: &RoomView,
        room: &Room,
        members: &Members,
        (since, now): (Option<Position>, &domicile_store::Value),
    ) -> Result<()> {
        let mut joined: HashMap<DestinationNum, i64> = view.destinations.keys().map(|num| (*num, 0)).collect();
        for (user_num, (membership, _)) in &members.known {
            if *membership == Membership::Join
                && let Some(destination_num) = self.destinations.of_user(&self.users.id(*user_num).await?).await?
            {
                *joined.entry(destination_num).or_default() += 1;
            }
        }
        for (destination_num, count) in joined {
            if view.destinations.get(&destination_num) == Some(&count) {
                continue;
            }
            let place = if count > 0 { since.unwrap_or(Position::START).into() } else { now.clone() };
            destinations::set_joined(batch, room.info.room_num, destination_num, count, place);
        }
        Ok(())
    }

    /// Whether a state allows an event; if not, why.
    pub(super) async fn allowed_at(
        &self,
        room: &Room,
        create: &Arc<Pdu>,
        pdu: &Pdu,
        root: NodeNum,
    ) -> Result<std::result::Result<(), String>> {
        let rules = &room.info.rules;
        let keys = match auth::auth_event_keys(pdu.kind(), pdu.sender(), pdu.state_key(), pdu.content(), rules) {
            Ok(keys) => keys,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let mut state = StateMap::with_capacity(keys.len() + 1);
        state.insert((StateEventType::RoomCreate, String::new()), Arc::clone(create));
        for (kind, state_key) in keys {
            if kind == StateEventType::RoomCreate {
                continue;
            }
            let Some(key_num) = self.keys.find(&kind.to_string(), &state_key).await? else { continue };
            if let Some(event_num) = self.resolution.event_in(root, key_num).await? {
                state.insert((kind, state_key), Arc::clone(&self.events.get(event_num).await?.pdu));
            }
        }
        Ok(auth::allowed_by_state(pdu, rules, &state).map_err(|error| error.to_string()))
    }
}
