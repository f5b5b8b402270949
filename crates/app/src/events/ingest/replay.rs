//! What came into a room since our join, gone through again on the whole state: the state before each event, whether it is allowed, and what the
//! room's state is in the end.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use domicile_core::ids::{EventNum, NodeNum, Position};
use domicile_store::{
    Batch, Snapshot,
    table::events::{self as event_rows, Status},
};
use ruma::{OwnedEventId, OwnedUserId};

use super::Ingest;
use crate::{
    Error, Result,
    events::Stored,
    rooms::{Partial, Room},
};

/// Events that are read at once.
const CHUNK: i64 = 200;

/// Events by the state that they were judged by: sender, type, state.
type Judged = HashSet<(OwnedUserId, String, NodeNum)>;

/// The result, and what is known on the way.
pub(super) struct Replay {
    /// The room's state after the last event.
    pub(super) current: NodeNum,
    /// The states before each event: in the room, and by the graph where that is another one.
    pub(super) states: Vec<(EventNum, NodeNum, Option<NodeNum>)>,
    /// Events that turned out not to be allowed.
    pub(super) taken_out: Vec<(EventNum, Status)>,
    ends: Vec<(EventNum, OwnedEventId)>,
    after: HashMap<OwnedEventId, NodeNum>,
    judged: Judged,
}

/// What does not change on the way.
struct Ground<'a> {
    ingest: &'a Ingest,
    room: &'a Arc<Room>,
    partial: &'a Partial,
    /// The whole state before the join.
    full: NodeNum,
}

impl Replay {
    /// Goes through it. Hold the room's writer.
    pub(super) async fn run(
        ingest: &Ingest,
        room: &Arc<Room>,
        partial: &Partial,
        join: &Arc<Stored>,
        full: NodeNum,
    ) -> Result<Self> {
        let ground = Ground { ingest, room, partial, full };
        let mut replay = Self {
            current: full,
            states: Vec::new(),
            taken_out: Vec::new(),
            ends: Vec::new(),
            after: HashMap::new(),
            judged: Judged::new(),
        };
        replay.add(&ground, join, full).await?;
        let last = room.view().last_position;
        let mut at = join.position.unwrap_or(last);
        loop {
            let page = ground.page(at, last).await?;
            let Some(end) = page.last().and_then(|event| event.position) else { break };
            for event in &page {
                replay.one(&ground, event).await?;
            }
            at = end;
        }
        replay.refused(&ground).await?;
        Ok(replay)
    }

    /// The number of one end of the graph, and those of the others.
    pub(super) fn ends_split(&self, join: &Stored) -> (EventNum, Vec<EventNum>) {
        let mut ends: Vec<EventNum> = self.ends.iter().map(|(event_num, _)| *event_num).collect();
        let last = ends.pop().unwrap_or(join.event_num);
        (last, ends)
    }

    async fn one(&mut self, ground: &Ground<'_>, event: &Arc<Stored>) -> Result<()> {
        let before = self.before(ground, event).await?;
        if let Some(status) = self.refusal(ground, event, before).await? {
            tracing::info!(event_id = %event.event_id(), "an event of a room that is whole now is not allowed there");
            self.taken_out.push((event.event_num, status));
            self.note(event, before);
            let after = if status.has(Status::REJECTED) { before } else { ground.with(before, event).await? };
            self.after.insert(event.event_id().to_owned(), after);
            return Ok(());
        }
        self.add(ground, event, before).await
    }

    /// The state before an event by the events that it names.
    async fn before(&self, ground: &Ground<'_>, event: &Stored) -> Result<NodeNum> {
        let prevs = event.pdu.prev_events();
        let is_next = prevs.len() == self.ends.len() && self.ends.iter().all(|(_, end)| prevs.contains(end));
        if is_next {
            return Ok(self.current);
        }
        let mut states = Vec::with_capacity(prevs.len());
        for id in prevs {
            states.push(match self.after.get(id) {
                Some(after) => *after,
                None => ground.elsewhere(id).await?.unwrap_or(self.current),
            });
        }
        ground.ingest.resolution.resolve(&ground.room.info, states).await
    }

    /// How an event stands that is not allowed by the whole state.
    async fn refusal(&mut self, ground: &Ground<'_>, event: &Stored, before: NodeNum) -> Result<Option<Status>> {
        let kind = event.pdu.kind().to_string();
        let alike = !event.pdu.is_state() && kind != "m.room.redaction";
        let mut states = vec![(before, Status::REJECTED)];
        if before != self.current {
            states.push((self.current, Status::SOFT_FAILED));
        }
        for (root, status) in states {
            let key = (event.pdu.sender().to_owned(), kind.clone(), root);
            if alike && self.judged.contains(&key) {
                continue;
            }
            let create = &ground.room.view().facts.create;
            let allowed = ground.ingest.allowed_at(ground.room, create, &event.pdu, root).await?;
            if allowed.is_err() {
                return Ok(Some(status));
            }
            self.judged.insert(key);
        }
        Ok(None)
    }

    fn note(&mut self, event: &Stored, before: NodeNum) {
        let graph_state = (before != self.current).then_some(before);
        self.states.push((event.event_num, self.current, graph_state));
    }

    /// The event is part of the room.
    async fn add(&mut self, ground: &Ground<'_>, event: &Stored, before: NodeNum) -> Result<()> {
        self.note(event, before);
        let after = ground.with(before, event).await?;
        self.after.insert(event.event_id().to_owned(), after);
        self.ends.retain(|(_, id)| !event.pdu.prev_events().contains(id));
        self.ends.push((event.event_num, event.event_id().to_owned()));
        let is_quiet = before == self.current && after == before;
        if self.ends.len() == 1 {
            self.current = after;
        } else if !is_quiet {
            let ends = self.ends.iter().filter_map(|(_, id)| self.after.get(id).copied()).collect();
            self.current = ground.ingest.resolution.resolve(&ground.room.info, ends).await?;
        }
        Ok(())
    }

    /// Events that were refused since the join stay refused. The states before them are whole now, too, since others may name them.
    async fn refused(&mut self, ground: &Ground<'_>) -> Result<()> {
        for event in ground.refused().await? {
            let root = ground.rebased(event.state_by_graph()).await?;
            self.states.push((event.event_num, root, None));
        }
        Ok(())
    }
}

impl Ground<'_> {
    async fn page(&self, after: Position, upto: Position) -> Result<Vec<Arc<Stored>>> {
        let (room_num, events) = (self.room.info.room_num, Arc::clone(&self.ingest.events));
        let read = self.ingest.store.read(move |snapshot: Snapshot| async move {
            let mut page = Vec::new();
            for row in event_rows::forwards(&snapshot, room_num, after, upto, CHUNK).await? {
                page.push(events.stored(&snapshot, row).await?);
            }
            Ok::<_, Error>(page)
        });
        read.await
    }

    /// Events since the join that are not part of the room.
    async fn refused(&self) -> Result<Vec<Arc<Stored>>> {
        let (room_num, join_num) = (self.room.info.room_num, self.partial.join_num);
        let read = self.ingest.store.read(move |snapshot: Snapshot| async move {
            event_rows::refused_after(&snapshot, room_num, join_num).await
        });
        self.ingest.events.get_many(read.await?).await
    }

    /// A state with an event, if that is state.
    async fn with(&self, before: NodeNum, event: &Stored) -> Result<NodeNum> {
        let Some(state_key) = event.pdu.state_key() else { return Ok(before) };
        let key_num = self.ingest.keys.intern(&event.pdu.kind().to_string(), state_key).await?;
        self.ingest.resolution.with(before, key_num, event.event_num).await
    }

    /// The state after an event that is not among those that are gone through.
    async fn elsewhere(&self, id: &OwnedEventId) -> Result<Option<NodeNum>> {
        let event = self.ingest.events.by_id(id).await?.filter(|event| !event.status.has(Status::OUTLIER));
        let Some(event) = event else { return Ok(self.partial.before_join.contains(id).then_some(self.full)) };
        if event.status.is_accepted() || event.event_num < self.partial.join_num {
            return self.ingest.resolution.state_after(&event).await.map(Some);
        }
        let before = self.rebased(event.state_by_graph()).await?;
        let after = if event.status.has(Status::REJECTED) { before } else { self.with(before, &event).await? };
        Ok(Some(after))
    }

    /// A state that stands on what was known, put on the whole state.
    async fn rebased(&self, root: NodeNum) -> Result<NodeNum> {
        let (trees, known) = (Arc::clone(&self.ingest.trees), self.partial.state_before);
        let read =
            self.ingest.store.read(move |snapshot| async move { trees.differences(&snapshot, known, root).await });
        let changes: Vec<_> = read.await?.into_iter().map(|(key_num, _, new)| (key_num, new)).collect();
        let mut batch = Batch::new();
        let rebased = self.ingest.trees.change(&mut batch, self.full, &changes).await?;
        self.ingest.store.write(batch).await?;
        Ok(rebased)
    }
}
