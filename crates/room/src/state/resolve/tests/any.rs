//! Any histories: what is resolved step by step is what ruma resolves of whole states with their whole auth chains.

use proptest::prelude::*;
use serde_json::json;

use super::world::{Branch, World};

const USERS: [&str; 5] = ["@alice:x", "@bob:x", "@carol:x", "@dan:x", "@eve:x"];

/// Somebody does something to somebody at some time.
#[derive(Clone, Debug)]
struct Action {
    by: usize,
    whom: usize,
    what: u8,
    level: i64,
    ts: u64,
}

fn action() -> impl Strategy<Value = Action> {
    (0..USERS.len(), 0..USERS.len(), 0..12_u8, 0..4_usize, 0..50_u64).prop_map(|(by, whom, what, level, ts)| Action {
        by,
        whom,
        what,
        level: [0, 40, 50, 100][level],
        ts,
    })
}

fn actions(most: usize) -> impl Strategy<Value = Vec<Action>> {
    prop::collection::vec(action(), 0..most)
}

/// What is not allowed does not happen.
fn act(world: &mut World, branch: &mut Branch, actions: &[Action]) {
    for Action { by, whom, what, level, ts } in actions {
        let (by, whom) = (USERS[*by], USERS[*whom]);
        let membership = |membership: &str| json!({ "membership": membership });
        let (kind, at, content) = match what {
            0 | 1 => ("m.room.member", by, membership("join")),
            2 => ("m.room.member", by, membership("leave")),
            3 => ("m.room.member", whom, membership("invite")),
            4 => ("m.room.member", whom, membership("leave")),
            5 => ("m.room.member", whom, membership("ban")),
            6 => ("m.room.join_rules", "", json!({ "join_rule": if *level > 45 { "public" } else { "invite" } })),
            7 | 8 => {
                let mut content = world.content(&branch.state, "m.room.power_levels", "").unwrap_or_default();
                content["users"][whom] = (*level).into();
                ("m.room.power_levels", "", content)
            }
            9 => ("m.room.topic", "", json!({ "topic": level })),
            10 => ("m.room.name", "", json!({ "name": level })),
            _ => ("org.example.state", whom, json!({ "x": level })),
        };
        world.send(branch, by, kind, at, &content, 100 + *ts);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn it_is_resolved_as_by_others(
        version in prop::sample::select(vec!["2", "6", "8", "11", "12"]),
        begin in actions(20),
        sides in prop::collection::vec(actions(25), 2..4),
        afterwards in prop::collection::vec(actions(15), 2),
    ) {
        let (mut world, mut trunk) = World::new(version);
        act(&mut world, &mut trunk, &begin);
        let mut branches: Vec<Branch> = sides.iter().map(|_| trunk.clone()).collect();
        for (branch, actions) in branches.iter_mut().zip(&sides) {
            act(&mut world, branch, actions);
        }
        let states: Vec<_> = branches.iter().map(|branch| branch.state.clone()).collect();
        let merged = world.resolve(&states);
        // One goes on from where they met, one has not heard of the others yet.
        let mut met = branches[0].clone();
        met.state = merged;
        act(&mut world, &mut met, &afterwards[0]);
        act(&mut world, &mut branches[1], &afterwards[1]);
        world.resolve(&[met.state, branches[1].state.clone()]);
    }
}
