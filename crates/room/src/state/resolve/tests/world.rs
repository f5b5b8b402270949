//! A room of which everything is known, and the two ways to resolve its states.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use ruma::{
    OwnedEventId, RoomVersionId,
    events::{StateEventType, TimelineEventType},
    room_version_rules::RoomVersionRules,
    state_res::{self, utils::event_id_set::EventIdSet},
};
use serde_json::{Value, json};

use super::super::*;
use crate::{auth, event::Pdu};

pub(super) type State = HashMap<Key, OwnedEventId>;

/// One branch of the history.
#[derive(Clone, Default)]
pub(super) struct Branch {
    pub(super) state: State,
    pub(super) last: Vec<OwnedEventId>,
    pub(super) depth: i64,
}

pub(super) struct World {
    pub(super) rules: RoomVersionRules,
    pub(super) events: HashMap<OwnedEventId, Judged>,
    cited_by: HashMap<OwnedEventId, Vec<OwnedEventId>>,
    room_id: String,
    create: Option<OwnedEventId>,
}

/// What a resolution asked for.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) rounds: usize,
    pub(super) auth: usize,
    pub(super) cited_by: usize,
    pub(super) events: usize,
    pub(super) shared: usize,
    /// Without what it takes to answer.
    pub(super) took: Duration,
}

pub(super) fn key(kind: &str, state_key: &str) -> Key {
    (kind.into(), state_key.to_owned())
}

impl World {
    /// A room that Alice has made, public, with the usual power levels.
    pub(super) fn new(version: &str) -> (Self, Branch) {
        let rules = RoomVersionId::try_from(version).unwrap().rules().unwrap();
        let named = rules.authorization.room_create_event_id_as_room_id;
        let room_id = if named { "!e0:x" } else { "!r:x" }.to_owned();
        let mut world = Self { rules, events: HashMap::new(), cited_by: HashMap::new(), room_id, create: None };
        let mut branch = Branch::default();
        let created = json!({ "creator": "@alice:x", "room_version": version });
        world.create = Some(world.must(&mut branch, "@alice:x", "m.room.create", "", &created, 0));
        world.must(&mut branch, "@alice:x", "m.room.member", "@alice:x", &json!({ "membership": "join" }), 1);
        let users = if named { json!({}) } else { json!({ "@alice:x": 100 }) };
        world.must(&mut branch, "@alice:x", "m.room.power_levels", "", &json!({ "users": users }), 2);
        world.must(&mut branch, "@alice:x", "m.room.join_rules", "", &json!({ "join_rule": "public" }), 3);
        (world, branch)
    }

    /// Sends a state event that is allowed.
    pub(super) fn must(
        &mut self,
        branch: &mut Branch,
        by: &str,
        kind: &str,
        at: &str,
        content: &Value,
        ts: u64,
    ) -> OwnedEventId {
        self.send(branch, by, kind, at, content, ts).unwrap_or_else(|| panic!("{by} may not send {kind} {content}"))
    }

    pub(super) fn member(
        &mut self,
        branch: &mut Branch,
        by: &str,
        whom: &str,
        membership: &str,
        ts: u64,
    ) -> OwnedEventId {
        self.must(branch, by, "m.room.member", whom, &json!({ "membership": membership }), ts)
    }

    /// Sends a state event if the branch's state allows it.
    pub(super) fn send(
        &mut self,
        branch: &mut Branch,
        by: &str,
        kind: &str,
        state_key: &str,
        content: &Value,
        ts: u64,
    ) -> Option<OwnedEventId> {
        let number = self.events.len();
        // The order of ids must not be that of the events.
        let id = match number {
            0 => "$e0:x".to_owned(),
            _ => format!("${:02x}e{number}:x", number * 151 % 256),
        };
        let id = OwnedEventId::try_from(id).unwrap();
        let raw = crate::create::raw(content);
        let (timeline, sender) = (TimelineEventType::from(kind), by.try_into().unwrap());
        let keys = auth::auth_event_keys(&timeline, sender, Some(state_key), &raw, &self.rules).ok()?;
        let auth_events: Vec<_> = keys.iter().filter_map(|key| branch.state.get(key)).cloned().collect();
        let mut event = json!({
            "type": kind, "state_key": state_key, "sender": by, "content": content, "origin_server_ts": ts,
            "depth": branch.depth + 1, "prev_events": branch.last, "auth_events": auth_events,
        });
        if !(self.rules.authorization.room_create_event_id_as_room_id && kind == "m.room.create") {
            event["room_id"] = self.room_id.as_str().into();
        }
        let pdu = Arc::new(Pdu::parse(id.clone(), Bytes::from(event.to_string()), &self.rules).unwrap());
        let mut state: auth::StateMap = keys
            .into_iter()
            .filter_map(|key| Some((key.clone(), Arc::clone(&self.events[branch.state.get(&key)?].pdu))))
            .collect();
        if let Some(create) = &self.create {
            state.insert(key("m.room.create", ""), Arc::clone(&self.events[create].pdu));
        }
        auth::allowed_by_state(&pdu, &self.rules, &state).ok()?;
        for auth_event in pdu.auth_events() {
            self.cited_by.entry(auth_event.clone()).or_default().push(id.clone());
        }
        self.events.insert(id.clone(), Judged::accepted(pdu));
        branch.state.insert((kind.into(), state_key.to_owned()), id.clone());
        branch.last = vec![id.clone()];
        branch.depth += 1;
        Some(id)
    }

    fn chain(&self, ids: impl IntoIterator<Item = OwnedEventId>) -> HashSet<OwnedEventId> {
        let mut chain = HashSet::new();
        let mut todo: Vec<OwnedEventId> = ids.into_iter().collect();
        while let Some(id) = todo.pop() {
            for auth_event in self.events[&id].pdu.auth_events() {
                if chain.insert(auth_event.clone()) {
                    todo.push(auth_event.clone());
                }
            }
        }
        chain
    }

    /// All events on ways between events of a set, by trying every pair.
    fn subgraph(&self, conflicted: &HashSet<OwnedEventId>) -> HashSet<OwnedEventId> {
        let below: HashMap<_, _> = conflicted.iter().map(|id| (id, self.chain([id.clone()]))).collect();
        let mut found = HashSet::new();
        for (from, chain) in &below {
            for to in conflicted.iter().filter(|to| chain.contains(*to)) {
                found.extend([(*from).clone(), to.clone()]);
                found.extend(chain.iter().filter(|id| self.chain([(*id).clone()]).contains(to)).cloned());
            }
        }
        found
    }

    /// ruma's resolution of whole states with their whole auth chains.
    pub(super) fn plain(&self, states: &[State]) -> State {
        let rules = self.rules.state_res.v2_rules().unwrap();
        let chains = states
            .iter()
            .map(|state| self.chain(state.values().cloned()).into_iter().collect::<EventIdSet<_>>())
            .collect();
        state_res::resolve(
            &self.rules.authorization,
            rules,
            states,
            chains,
            |id| self.events.get(id),
            |conflicted| {
                let conflicted = conflicted.values().flatten().cloned().collect();
                Some(self.subgraph(&conflicted).into_iter().collect())
            },
        )
        .unwrap()
    }

    /// Our resolution, step by step, of what differs.
    pub(super) fn stepwise(&self, states: &[State]) -> (State, Asked) {
        let mut shared = states[0].clone();
        shared.retain(|key, id| states.iter().all(|state| state.get(key) == Some(id)));
        let differing = states
            .iter()
            .map(|state| {
                let mut state = state.clone();
                state.retain(|key, _| !shared.contains_key(key));
                state
            })
            .collect();
        let mut resolver = Resolver::new(&self.rules, differing).unwrap();
        let in_shared: HashSet<&OwnedEventId> = shared.values().collect();
        let mut asked = Asked::default();
        loop {
            asked.rounds += 1;
            let begun = Instant::now();
            let step = resolver.step().unwrap();
            asked.took += begun.elapsed();
            match step {
                Step::AuthOf(ids) => {
                    asked.auth += ids.len();
                    for id in ids {
                        let auth = self.events[&id].pdu.auth_events().to_vec();
                        resolver.give_auth(id, auth);
                    }
                }
                Step::CitedBy(ids) => {
                    asked.cited_by += ids.len();
                    for id in ids {
                        let citing = self.cited_by.get(&id).into_iter().flatten();
                        let citing =
                            citing.map(|id| Citing { event_id: id.clone(), is_shared: in_shared.contains(id) });
                        let citing = citing.collect();
                        resolver.give_cited_by(id, citing);
                    }
                }
                Step::Events(ids) => {
                    asked.events += ids.len();
                    for id in ids {
                        let event = self.events.get(&id).cloned();
                        resolver.give_event(id, event);
                    }
                }
                Step::Shared(keys) => {
                    asked.shared += keys.len();
                    for key in keys {
                        let id = shared.get(&key).cloned();
                        resolver.give_shared(key, id);
                    }
                }
                Step::Done(resolved) => {
                    let mut state = shared.clone();
                    state.extend(resolved.into_iter().filter_map(|(key, id)| Some((key, id?))));
                    return (state, asked);
                }
            }
        }
    }

    /// Both, which must agree, in every order of the states.
    pub(super) fn resolve(&self, states: &[State]) -> State {
        let ours = self.stepwise(states).0;
        let mut other_way: Vec<State> = states.to_vec();
        other_way.reverse();
        assert_eq!(self.stepwise(&other_way).0, ours, "the order of the states must not matter");
        if self.rules.state_res.v2_rules().is_some() {
            assert_eq!(self.plain(states), ours);
        }
        ours
    }

    /// The content of an entry.
    pub(super) fn content(&self, state: &State, kind: &str, state_key: &str) -> Option<Value> {
        let id = state.get(&(StateEventType::from(kind), state_key.to_owned()))?;
        serde_json::from_str(self.events[id].pdu.content().get()).ok()
    }
}
