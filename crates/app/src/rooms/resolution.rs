//! State resolution: what the state is where several states meet (room versions, *State resolution*).
//!
//! States are trees that share structure, so that what several states agree on is not looked at. The rules are ruma's; here it is found out which
//! events they have to be asked about: those in which the states differ, the events that not all of them are allowed by, and what lies between
//! them. A resolved state is on disk before it is given, and kept in memory by the states that it was made of.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use domicile_core::ids::{EventNum, KeyNum, NodeNum};
use domicile_room::{
    event::{Judged, Pdu},
    state::resolve::{Citing, Differing, Key, Resolver, Step},
};
use domicile_store::{
    Batch, Snapshot, Store, event_id,
    table::{
        events::{self as event_rows, Status},
        graph as graph_rows, state as state_rows,
    },
};
use quick_cache::sync::Cache;
use ruma::OwnedEventId;

use super::{Graph, RoomInfo, StateKeys, StateTrees};
use crate::{
    Error, Result,
    events::{Events, Stored},
};

/// Results that are kept in memory.
const CACHED: usize = 10_000;
/// States that are resolved at once. Events name at most 20 predecessors.
const STATES: usize = 64;

/// An event that is not on disk yet: its number in the states that are resolved.
type Pending = Option<(EventNum, Arc<Pdu>)>;

/// Resolves states.
pub struct Resolution {
    store: Store,
    events: Arc<Events>,
    keys: Arc<StateKeys>,
    trees: Arc<StateTrees>,
    graph: Arc<Graph>,
    resolved: Cache<Vec<NodeNum>, NodeNum>,
    after: Cache<EventNum, NodeNum>,
}

impl Resolution {
    /// Over a store.
    pub fn new(
        store: Store,
        events: Arc<Events>,
        keys: Arc<StateKeys>,
        trees: Arc<StateTrees>,
        graph: Arc<Graph>,
    ) -> Self {
        Self { store, events, keys, trees, graph, resolved: Cache::new(CACHED), after: Cache::new(CACHED) }
    }

    /// The event of a pair in a state.
    pub async fn event_in(&self, root: NodeNum, key_num: KeyNum) -> Result<Option<EventNum>> {
        let trees = Arc::clone(&self.trees);
        self.store.read(move |snapshot| async move { trees.get(&snapshot, root, key_num).await }).await
    }

    /// A state with one more event.
    pub async fn with(&self, root: NodeNum, key_num: KeyNum, event_num: EventNum) -> Result<NodeNum> {
        let mut batch = Batch::new();
        let root = self.trees.change(&mut batch, root, &[(key_num, Some(event_num))]).await?;
        self.store.write(batch).await?;
        Ok(root)
    }

    /// The state after an event that is on disk and whose state before is known. A rejected event changes nothing.
    pub async fn state_after(&self, event: &Stored) -> Result<NodeNum> {
        let before = event.state_by_graph();
        let Some(state_key) = event.pdu.state_key() else { return Ok(before) };
        if event.status.has(Status::REJECTED) {
            return Ok(before);
        }
        if let Some(after) = self.after.get(&event.event_num) {
            return Ok(after);
        }
        let key_num = self.keys.intern(&event.pdu.kind().to_string(), state_key).await?;
        let after = self.with(before, key_num, event.event_num).await?;
        self.after.insert(event.event_num, after);
        Ok(after)
    }

    /// Forgets the state after an event, whose state before has changed.
    pub fn forget(&self, event_num: EventNum) {
        self.after.remove(&event_num);
    }

    /// The state where states meet.
    pub async fn resolve(&self, info: &Arc<RoomInfo>, states: Vec<NodeNum>) -> Result<NodeNum> {
        self.resolve_with(info, states, None).await
    }

    /// The same where one of the events is not on disk yet.
    pub async fn resolve_with(
        &self,
        info: &Arc<RoomInfo>,
        mut states: Vec<NodeNum>,
        pending: Pending,
    ) -> Result<NodeNum> {
        states.sort_unstable();
        states.dedup();
        match states.as_slice() {
            [] => return Ok(NodeNum(0)),
            [state] => return Ok(*state),
            _ if states.len() > STATES => return Err(Error::internal("too many states meet")),
            _ => {}
        }
        if let Some(resolved) = self.resolved.get(&states) {
            return Ok(resolved);
        }
        let base = states[0];
        let changes = self.answer(info, states.clone(), pending).await?;
        let mut batch = Batch::new();
        let resolved = self.trees.change(&mut batch, base, &changes).await?;
        self.store.write(batch).await?;
        self.resolved.insert(states, resolved);
        Ok(resolved)
    }

    /// What the resolved state has instead of the first state's.
    async fn answer(
        &self,
        info: &Arc<RoomInfo>,
        states: Vec<NodeNum>,
        pending: Pending,
    ) -> Result<Vec<(KeyNum, Option<EventNum>)>> {
        let reading = Reading {
            info: Arc::clone(info),
            events: Arc::clone(&self.events),
            trees: Arc::clone(&self.trees),
            keys: Arc::clone(&self.keys),
            graph: Arc::clone(&self.graph),
            pending,
            nums: HashMap::new(),
            ids: HashMap::new(),
            citing: None,
        };
        let resolved =
            self.store.read(move |snapshot| async move { reading.resolve(&snapshot, &states).await }).await?;
        let mut changes = Vec::with_capacity(resolved.len());
        for ((kind, state_key), event_num) in resolved {
            changes.push((self.keys.intern(&kind.to_string(), &state_key).await?, event_num));
        }
        Ok(changes)
    }
}

/// What a resolution reads with. Inside events are numbers; the rules know them by their ids.
struct Reading {
    info: Arc<RoomInfo>,
    events: Arc<Events>,
    trees: Arc<StateTrees>,
    keys: Arc<StateKeys>,
    graph: Arc<Graph>,
    pending: Pending,
    nums: HashMap<OwnedEventId, EventNum>,
    ids: HashMap<EventNum, OwnedEventId>,
    /// Which state events name which as allowing them, and the events on which all states agree: read when they are first asked for.
    citing: Option<(Citations, HashSet<EventNum>)>,
}

/// Of each event, those that name it as allowing them.
type Citations = HashMap<EventNum, Vec<EventNum>>;

impl Reading {
    async fn resolve(mut self, snapshot: &Snapshot, states: &[NodeNum]) -> Result<Vec<(Key, Option<EventNum>)>> {
        let (differing, conflicting) = self.differing(snapshot, states).await?;
        let mut resolver = Resolver::new(&self.info.rules, differing).map_err(Error::internal)?;
        loop {
            match resolver.step().map_err(Error::internal)? {
                Step::AuthOf(ids) => {
                    for (id, auths) in self.auth_of(snapshot, ids).await? {
                        resolver.give_auth(id, auths);
                    }
                }
                Step::CitedBy(ids) => {
                    for id in ids {
                        let citing = self.cited_by(snapshot, states[0], &conflicting, &id).await?;
                        resolver.give_cited_by(id, citing);
                    }
                }
                Step::Events(ids) => {
                    for id in ids {
                        let event = self.judged(snapshot, &id).await?;
                        resolver.give_event(id, event);
                    }
                }
                Step::Shared(keys) => {
                    for key in keys {
                        let event = self.shared(snapshot, states[0], &key).await?;
                        resolver.give_shared(key, event);
                    }
                }
                Step::Done(resolved) => {
                    let num = |id: OwnedEventId| self.nums.get(&id).copied();
                    return Ok(resolved.into_iter().map(|(key, id)| (key, id.and_then(num))).collect());
                }
            }
        }
    }

    /// What each state has in the keys in which they differ, and these keys.
    async fn differing(
        &mut self,
        snapshot: &Snapshot,
        states: &[NodeNum],
    ) -> Result<(Vec<Differing>, BTreeSet<KeyNum>)> {
        let mut conflicting = BTreeSet::new();
        let mut differences = Vec::with_capacity(states.len());
        for state in states {
            let of_state = self.trees.differences(snapshot, states[0], *state).await?;
            conflicting.extend(of_state.iter().map(|(key_num, ..)| *key_num));
            differences.push(of_state);
        }
        let mut base = HashMap::new();
        for key_num in &conflicting {
            if let Some(event_num) = self.trees.get(snapshot, states[0], *key_num).await? {
                base.insert(*key_num, event_num);
            }
        }
        let mut sides: Vec<HashMap<KeyNum, EventNum>> = Vec::with_capacity(states.len());
        for of_state in differences {
            let mut side = base.clone();
            for (key_num, _, new) in of_state {
                match new {
                    Some(event_num) => drop(side.insert(key_num, event_num)),
                    None => drop(side.remove(&key_num)),
                }
            }
            sides.push(side);
        }
        self.learn(snapshot, sides.iter().flat_map(|side| side.values().copied()).collect()).await?;
        let mut keys: HashMap<KeyNum, Key> = HashMap::new();
        for (key_num, kind, state_key) in state_rows::keys(snapshot, conflicting.iter().copied()).await? {
            keys.insert(key_num, (kind.as_str().into(), state_key));
        }
        let named = sides.into_iter().map(|side| {
            let entry = |(key_num, num)| Some((keys.get(&key_num)?.clone(), self.ids.get(&num)?.clone()));
            side.into_iter().filter_map(entry).collect()
        });
        Ok((named.collect(), conflicting))
    }

    /// Finds out the ids of events.
    async fn learn(&mut self, snapshot: &Snapshot, mut nums: Vec<EventNum>) -> Result<()> {
        nums.retain(|num| !self.ids.contains_key(num));
        if let Some((num, pdu)) = &self.pending
            && nums.contains(num)
        {
            self.ids.insert(*num, pdu.event_id().to_owned());
            self.nums.insert(pdu.event_id().to_owned(), *num);
        }
        nums.sort_unstable();
        nums.dedup();
        for (num, id) in event_rows::ids(snapshot, nums).await? {
            let id = event_id::from_bytes(&id)?;
            self.ids.insert(num, id.clone());
            self.nums.insert(id, num);
        }
        Ok(())
    }

    fn is_pending(&self, num: EventNum) -> bool {
        self.pending.as_ref().is_some_and(|(pending, _)| *pending == num)
    }

    /// The events that allow each of these.
    async fn auth_of(
        &mut self,
        snapshot: &Snapshot,
        ids: Vec<OwnedEventId>,
    ) -> Result<Vec<(OwnedEventId, Vec<OwnedEventId>)>> {
        let nums: Vec<EventNum> = ids.iter().filter_map(|id| self.nums.get(id).copied()).collect();
        let edges = self.graph.auths(snapshot, &nums).await?;
        self.learn(snapshot, edges.values().flat_map(|auths| auths.iter().copied()).collect()).await?;
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            let num = self.nums.get(&id).copied();
            let auths = match (num, &self.pending) {
                (Some(num), Some((pending, pdu))) if num == *pending => {
                    let auths = pdu.auth_events().to_vec();
                    self.learn_ids(snapshot, &auths).await?;
                    auths
                }
                (Some(num), _) => edges
                    .get(&num)
                    .map(|auths| auths.iter().filter_map(|auth| self.ids.get(auth).cloned()).collect())
                    .unwrap_or_default(),
                (None, _) => Vec::new(),
            };
            found.push((id, auths));
        }
        Ok(found)
    }

    /// Finds out the numbers of events.
    async fn learn_ids(&mut self, snapshot: &Snapshot, ids: &[OwnedEventId]) -> Result<()> {
        for id in ids {
            if self.nums.contains_key(id) {
                continue;
            }
            if let Some(event) = self.events.load_by_id(snapshot, id).await? {
                self.nums.insert(id.clone(), event.event_num);
                self.ids.insert(event.event_num, id.clone());
            }
        }
        Ok(())
    }

    /// The state events that name one as allowing them. One on which all states agree is enough to know.
    async fn cited_by(
        &mut self,
        snapshot: &Snapshot,
        state: NodeNum,
        conflicting: &BTreeSet<KeyNum>,
        id: &OwnedEventId,
    ) -> Result<Vec<Citing>> {
        if self.citing.is_none() {
            let mut citing = Citations::new();
            for (num, auths) in graph_rows::auth_edges_of_room(snapshot, self.info.room_num).await? {
                for auth in auths {
                    citing.entry(auth).or_default().push(num);
                }
            }
            let agreed = self.trees.all(snapshot, state).await?;
            let agreed = agreed.into_iter().filter(|(key_num, _)| !conflicting.contains(key_num));
            self.citing = Some((citing, agreed.map(|(_, num)| num).collect()));
        }
        let Some((citing, agreed)) = &self.citing else { return Ok(Vec::new()) };
        let citing = self.nums.get(id).and_then(|num| citing.get(num)).cloned().unwrap_or_default();
        let one = citing.iter().copied().find(|num| agreed.contains(num));
        let told = one.map_or(citing, |one| vec![one]);
        let is_shared = one.is_some();
        self.learn(snapshot, told.clone()).await?;
        let ids = told.iter().filter_map(|num| self.ids.get(num).cloned());
        Ok(ids.map(|event_id| Citing { event_id, is_shared }).collect())
    }

    async fn judged(&mut self, snapshot: &Snapshot, id: &OwnedEventId) -> Result<Option<Judged>> {
        self.learn_ids(snapshot, std::slice::from_ref(id)).await?;
        let Some(num) = self.nums.get(id).copied() else { return Ok(None) };
        if self.is_pending(num) {
            return Ok(self.pending.as_ref().map(|(_, pdu)| Judged::accepted(Arc::clone(pdu))));
        }
        let event = self.events.load(snapshot, &[num]).await?.into_iter().next();
        Ok(event.map(|event| Judged { pdu: Arc::clone(&event.pdu), rejected: event.status.has(Status::REJECTED) }))
    }

    /// What all states have under a key.
    async fn shared(&mut self, snapshot: &Snapshot, state: NodeNum, key: &Key) -> Result<Option<OwnedEventId>> {
        let Some(key_num) = self.keys.load(snapshot, &key.0.to_string(), &key.1).await? else { return Ok(None) };
        let Some(event_num) = self.trees.get(snapshot, state, key_num).await? else { return Ok(None) };
        self.learn(snapshot, vec![event_num]).await?;
        Ok(self.ids.get(&event_num).cloned())
    }
}
