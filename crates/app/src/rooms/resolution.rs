//! State resolution: what the state is where several states meet (room versions, *State resolution*).
//!
//! States are trees that share structure, so that what several states agree on is not looked at. The rules are ruma's; here it is found out which
//! events they have to be asked about: those in which the states differ, the events that not all of them are allowed by, and what lies between
//! them. A resolved state is on disk before it is given, and kept in memory by the states that it was made of.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use domicile_core::ids::{EventNum, KeyNum, NodeNum};
use domicile_room::{
    auth,
    event::Pdu,
    state::conflict::{Conflict, Pair},
};
use domicile_store::{
    Batch, Snapshot, Store,
    table::{events::Status, state as state_rows},
};
use quick_cache::sync::Cache;
use ruma::events::StateEventType;

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

/// What is read for a resolution.
struct Question {
    conflict: Conflict,
    nums: HashMap<ruma::OwnedEventId, EventNum>,
    conflicting: BTreeMap<Pair, KeyNum>,
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
        };
        let Question { conflict, nums, conflicting } =
            self.store.read(move |snapshot| async move { reading.question(&snapshot, &states).await }).await?;
        let rules = info.rules.clone();
        let resolving = tokio::task::spawn_blocking(move || conflict.resolve(&rules));
        let answer = resolving.await.map_err(Error::internal)?.map_err(Error::internal)?;
        let event_num = |pair: &Pair| answer.get(pair).and_then(|id| nums.get(id)).copied();
        Ok(conflicting.iter().map(|(pair, key_num)| (*key_num, event_num(pair))).collect())
    }
}

/// What a resolution reads with.
struct Reading {
    info: Arc<RoomInfo>,
    events: Arc<Events>,
    trees: Arc<StateTrees>,
    keys: Arc<StateKeys>,
    graph: Arc<Graph>,
    pending: Pending,
}

/// Events by what they are in the states: of each state, in its order, the event of each key in which the states differ.
type Sides = Vec<HashMap<KeyNum, EventNum>>;

impl Reading {
    async fn question(self, snapshot: &Snapshot, states: &[NodeNum]) -> Result<Question> {
        let (keys, sides) = self.sides(snapshot, states).await?;
        let conflicted: BTreeSet<EventNum> = sides.iter().flat_map(|side| side.values().copied()).collect();
        let mut chains = Vec::with_capacity(sides.len());
        for side in &sides {
            chains.push(self.chain(snapshot, side.values().copied()).await?);
        }
        let difference = self.difference(snapshot, states[0], &keys, &chains).await?;
        let subgraph = if self.asks_for_subgraph() {
            self.between(snapshot, &conflicted, &chains).await?
        } else {
            BTreeSet::new()
        };
        let full: BTreeSet<EventNum> = conflicted.iter().chain(&difference).chain(&subgraph).copied().collect();
        let mut needed: HashSet<EventNum> = self.chain(snapshot, full.iter().copied()).await?;
        needed.extend(&full);
        let mut pdus = self.pdus(snapshot, needed).await?;
        let unconflicted = self.unconflicted(snapshot, states[0], &keys, &full, &mut pdus).await?;
        self.load_mainline(snapshot, &unconflicted, &mut pdus).await?;
        let id = |event_num: &EventNum| pdus.get(event_num).map(|pdu| pdu.event_id().to_owned());
        let ids = |nums: &BTreeSet<EventNum>| nums.iter().filter_map(id).collect::<HashSet<_>>();
        let mut pairs = HashMap::new();
        for (key_num, kind, state_key) in state_rows::keys(snapshot, keys.iter().copied()).await? {
            pairs.insert(key_num, (kind.as_str().into(), state_key));
        }
        let sets = sides.iter().map(|side| {
            let own = side.iter().filter_map(|(key_num, num)| Some((pairs.get(key_num)?.clone(), id(num)?)));
            unconflicted.iter().map(|(pair, id)| (pair.clone(), id.clone())).chain(own).collect()
        });
        let sets = sets.collect();
        let own_chains = chains.iter().map(|chain| ids(&chain.intersection_with(&difference))).collect();
        let conflict = Conflict {
            sets,
            auth_chains: own_chains,
            subgraph: ids(&subgraph),
            events: pdus.values().map(|pdu| (pdu.event_id().to_owned(), Arc::clone(pdu))).collect(),
        };
        let nums = pdus.iter().map(|(event_num, pdu)| (pdu.event_id().to_owned(), *event_num)).collect();
        let conflicting = pairs.into_iter().map(|(key_num, pair)| (pair, key_num)).collect();
        Ok(Question { conflict, nums, conflicting })
    }

    /// The keys in which the states differ, and what each state has there.
    async fn sides(&self, snapshot: &Snapshot, states: &[NodeNum]) -> Result<(BTreeSet<KeyNum>, Sides)> {
        let mut keys = BTreeSet::new();
        let mut differences = Vec::with_capacity(states.len());
        for state in states {
            let of_state = self.trees.differences(snapshot, states[0], *state).await?;
            keys.extend(of_state.iter().map(|(key_num, ..)| *key_num));
            differences.push(of_state);
        }
        let mut base = HashMap::new();
        for key_num in &keys {
            if let Some(event_num) = self.trees.get(snapshot, states[0], *key_num).await? {
                base.insert(*key_num, event_num);
            }
        }
        let sides = differences.into_iter().map(|of_state| {
            let mut side = base.clone();
            for (key_num, _, new) in of_state {
                match new {
                    Some(event_num) => drop(side.insert(key_num, event_num)),
                    None => drop(side.remove(&key_num)),
                }
            }
            side
        });
        Ok((keys, sides.collect()))
    }

    /// What allows events, an event that is not on disk among them.
    async fn chain(&self, snapshot: &Snapshot, nums: impl Iterator<Item = EventNum>) -> Result<HashSet<EventNum>> {
        let mut from: HashSet<EventNum> = nums.collect();
        let mut direct = Vec::new();
        if let Some((pending_num, pdu)) = &self.pending
            && from.remove(pending_num)
        {
            for id in pdu.auth_events() {
                if let Some(event) = self.events.load_by_id(snapshot, id).await? {
                    direct.push(event.event_num);
                }
            }
        }
        let mut chain = self.graph.chain(snapshot, from.into_iter().chain(direct.iter().copied())).await?;
        chain.extend(direct);
        Ok(chain)
    }

    /// The events that do not allow every state (*auth difference*). What allows the part on which all agree allows every state.
    async fn difference(
        &self,
        snapshot: &Snapshot,
        state: NodeNum,
        conflicting: &BTreeSet<KeyNum>,
        chains: &[HashSet<EventNum>],
    ) -> Result<BTreeSet<EventNum>> {
        let mut difference: BTreeSet<EventNum> = chains
            .iter()
            .flatten()
            .filter(|num| !chains.iter().all(|chain| chain.contains(num)))
            .copied()
            .collect();
        if difference.is_empty() {
            return Ok(difference);
        }
        let agreed = self.trees.all(snapshot, state).await?;
        let agreed = agreed.into_iter().filter(|(key_num, _)| !conflicting.contains(key_num)).map(|(_, num)| num);
        for num in self.graph.chain(snapshot, agreed).await? {
            difference.remove(&num);
        }
        Ok(difference)
    }

    fn asks_for_subgraph(&self) -> bool {
        self.info.rules.state_res.v2_rules().is_some_and(|rules| rules.consider_conflicted_state_subgraph)
    }

    /// The events that lie between events in which the states differ: allowed by one of them, and allowing another (*conflicted state subgraph*).
    async fn between(
        &self,
        snapshot: &Snapshot,
        conflicted: &BTreeSet<EventNum>,
        chains: &[HashSet<EventNum>],
    ) -> Result<BTreeSet<EventNum>> {
        let below: HashSet<EventNum> = chains.iter().flatten().copied().collect();
        let all: Vec<EventNum> = below.iter().chain(conflicted).copied().collect();
        let edges = self.graph.auths(snapshot, &all).await?;
        // From each conflicted event upwards to whatever it allows.
        let mut allows: HashMap<EventNum, Vec<EventNum>> = HashMap::new();
        for (num, auths) in &edges {
            for auth in auths.iter() {
                allows.entry(*auth).or_default().push(*num);
            }
        }
        let mut above: HashSet<EventNum> = HashSet::new();
        let mut todo: Vec<EventNum> = conflicted.iter().copied().collect();
        while let Some(num) = todo.pop() {
            for next in allows.get(&num).into_iter().flatten() {
                if above.insert(*next) {
                    todo.push(*next);
                }
            }
        }
        Ok(above.intersection(&below).copied().chain(conflicted.iter().copied()).collect())
    }

    async fn pdus(&self, snapshot: &Snapshot, nums: HashSet<EventNum>) -> Result<HashMap<EventNum, Arc<Pdu>>> {
        let mut pdus = HashMap::with_capacity(nums.len());
        let wanted: Vec<EventNum> = nums.iter().copied().collect();
        for event in self.events.load(snapshot, &wanted).await? {
            pdus.insert(event.event_num, Arc::clone(&event.pdu));
        }
        if let Some((event_num, pdu)) = &self.pending
            && nums.contains(event_num)
        {
            pdus.insert(*event_num, Arc::clone(pdu));
        }
        Ok(pdus)
    }

    /// The power levels before those on which the states agree: the events in question are ordered along them.
    async fn load_mainline(
        &self,
        snapshot: &Snapshot,
        unconflicted: &HashMap<Pair, ruma::OwnedEventId>,
        pdus: &mut HashMap<EventNum, Arc<Pdu>>,
    ) -> Result<()> {
        let Some(id) = unconflicted.get(&(StateEventType::RoomPowerLevels, String::new())) else { return Ok(()) };
        let Some(event) = self.events.load_by_id(snapshot, id).await? else { return Ok(()) };
        let mut chain = self.graph.chain(snapshot, [event.event_num]).await?;
        chain.retain(|num| !pdus.contains_key(num));
        pdus.extend(self.pdus(snapshot, chain).await?);
        Ok(())
    }

    /// That part of what the states agree on which the rules can ask for: what may allow one of the events in question.
    async fn unconflicted(
        &self,
        snapshot: &Snapshot,
        state: NodeNum,
        conflicting: &BTreeSet<KeyNum>,
        full: &BTreeSet<EventNum>,
        pdus: &mut HashMap<EventNum, Arc<Pdu>>,
    ) -> Result<HashMap<Pair, ruma::OwnedEventId>> {
        let mut pairs: HashSet<Pair> = HashSet::new();
        for pdu in full.iter().filter_map(|num| pdus.get(num)) {
            let asked =
                auth::auth_event_keys(pdu.kind(), pdu.sender(), pdu.state_key(), pdu.content(), &self.info.rules);
            // An event about which nothing can be asked is not allowed whatever the state is.
            pairs.extend(asked.unwrap_or_default());
            if let Some(state_key) = pdu.state_key() {
                pairs.insert((pdu.kind().to_string().into(), state_key.to_owned()));
            }
        }
        let mut agreed = HashMap::with_capacity(pairs.len());
        for pair in pairs {
            let Some(key_num) = self.keys.load(snapshot, &pair.0.to_string(), &pair.1).await? else { continue };
            if conflicting.contains(&key_num) {
                continue;
            }
            let Some(event_num) = self.trees.get(snapshot, state, key_num).await? else { continue };
            let Some(event) = self.events.load(snapshot, &[event_num]).await?.into_iter().next() else { continue };
            agreed.insert(pair, event.event_id().to_owned());
            pdus.entry(event_num).or_insert_with(|| Arc::clone(&event.pdu));
        }
        Ok(agreed)
    }
}

/// The part of a chain that is in a difference.
trait Within {
    fn intersection_with(&self, difference: &BTreeSet<EventNum>) -> BTreeSet<EventNum>;
}

impl Within for HashSet<EventNum> {
    fn intersection_with(&self, difference: &BTreeSet<EventNum>) -> BTreeSet<EventNum> {
        difference.iter().filter(|num| self.contains(num)).copied().collect()
    }
}
