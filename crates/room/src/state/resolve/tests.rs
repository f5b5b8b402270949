//! Scenarios of the specification, any histories, and what a resolution costs.

#![expect(clippy::disallowed_methods, reason = "what is measured here is this machine's time")]

mod any;
mod world;

use serde_json::json;
use world::{Branch, World, key};

use super::*;

const VERSIONS: [&str; 4] = ["2", "6", "11", "12"];

/// Alice, 100, and Bob, 50; Carol and Dan have no power.
fn room(version: &str) -> (World, Branch) {
    let (mut world, mut trunk) = World::new(version);
    for (ts, user) in ["@bob:x", "@carol:x", "@dan:x"].into_iter().enumerate() {
        world.member(&mut trunk, user, user, "join", 10 + ts as u64);
    }
    levels(&mut world, &mut trunk, "@alice:x", &[("@bob:x", 50)], 20);
    (world, trunk)
}

fn levels(world: &mut World, branch: &mut Branch, by: &str, users: &[(&str, i64)], ts: u64) -> OwnedEventId {
    let mut all = serde_json::Map::new();
    if !world.rules.authorization.explicitly_privilege_room_creators {
        all.insert("@alice:x".to_owned(), 100.into());
    }
    all.extend(users.iter().map(|(user, level)| ((*user).to_owned(), (*level).into())));
    world.must(branch, by, "m.room.power_levels", "", &json!({ "users": all, "events": { "m.room.topic": 0 } }), ts)
}

fn topic(world: &mut World, branch: &mut Branch, by: &str, topic: &str, ts: u64) -> OwnedEventId {
    world.must(branch, by, "m.room.topic", "", &json!({ "topic": topic }), ts)
}

#[test]
fn a_ban_counts_more_than_what_the_banned_one_does_meanwhile() {
    for version in VERSIONS {
        let (mut world, trunk) = room(version);
        let (mut one, mut two) = (trunk.clone(), trunk);
        world.member(&mut one, "@alice:x", "@bob:x", "ban", 40);
        levels(&mut world, &mut two, "@bob:x", &[("@bob:x", 50), ("@carol:x", 50)], 30);
        topic(&mut world, &mut two, "@carol:x", "by carol", 35);
        let state = world.resolve(&[one.state.clone(), two.state.clone()]);
        assert_eq!(world.content(&state, "m.room.member", "@bob:x").unwrap()["membership"], "ban", "{version}");
        assert_eq!(state[&key("m.room.power_levels", "")], one.state[&key("m.room.power_levels", "")], "{version}");
        assert_eq!(
            world.content(&state, "m.room.topic", "").unwrap()["topic"],
            "by carol",
            "{version}: she had the power already"
        );
    }
}

#[test]
fn who_lost_the_power_on_one_branch_has_changed_nothing_on_the_other() {
    for version in VERSIONS {
        let (mut world, mut trunk) = room(version);
        world.must(&mut trunk, "@alice:x", "m.room.name", "", &json!({ "name": "before" }), 25);
        let (mut one, mut two) = (trunk.clone(), trunk);
        levels(&mut world, &mut one, "@alice:x", &[("@bob:x", 0)], 40);
        world.must(&mut two, "@bob:x", "m.room.name", "", &json!({ "name": "after" }), 30);
        let state = world.resolve(&[one.state, two.state]);
        assert_eq!(world.content(&state, "m.room.name", "").unwrap()["name"], "before", "{version}");
    }
}

/// A server was cut off for long; both sides went on. The later of two changes of the same standing counts, and members of both stay.
#[test]
fn branches_that_were_apart_come_together() {
    for version in VERSIONS {
        let (mut world, trunk) = room(version);
        let (mut one, mut two) = (trunk.clone(), trunk);
        for (number, branch) in [&mut one, &mut two].into_iter().enumerate() {
            for visitor in 0..5 {
                let user = format!("@v{number}{visitor}:x");
                world.member(branch, &user, &user, "join", 100 + visitor);
            }
            topic(&mut world, branch, "@carol:x", &format!("of {number}"), 200 - number as u64);
        }
        world.member(&mut two, "@dan:x", "@dan:x", "leave", 150);
        let state = world.resolve(&[one.state, two.state]);
        assert_eq!(state.keys().filter(|(kind, _)| *kind == StateEventType::RoomMember).count(), 14, "{version}");
        assert_eq!(world.content(&state, "m.room.topic", "").unwrap()["topic"], "of 0", "{version}");
        assert_eq!(world.content(&state, "m.room.member", "@dan:x").unwrap()["membership"], "leave", "{version}");
    }
}

/// What was sent under newer power levels counts more, whatever its clock says.
#[test]
fn the_mainline_of_power_levels_orders_before_time_does() {
    for version in VERSIONS {
        let (mut world, mut trunk) = room(version);
        topic(&mut world, &mut trunk, "@carol:x", "first", 21);
        let (mut one, mut two) = (trunk.clone(), trunk);
        levels(&mut world, &mut one, "@alice:x", &[("@bob:x", 60)], 30);
        levels(&mut world, &mut one, "@alice:x", &[("@bob:x", 70)], 31);
        topic(&mut world, &mut one, "@carol:x", "under new levels", 32);
        topic(&mut world, &mut two, "@carol:x", "under old levels", 9_000);
        let state = world.resolve(&[one.state, two.state]);
        assert_eq!(world.content(&state, "m.room.topic", "").unwrap()["topic"], "under new levels", "{version}");
    }
}

#[test]
fn a_join_does_not_outlast_rules_that_were_closed_before() {
    for version in VERSIONS {
        let (mut world, trunk) = room(version);
        let (mut one, mut two) = (trunk.clone(), trunk);
        world.must(&mut one, "@alice:x", "m.room.join_rules", "", &json!({ "join_rule": "invite" }), 30);
        world.member(&mut two, "@eve:x", "@eve:x", "join", 40);
        let state = world.resolve(&[one.state, two.state]);
        assert!(!state.contains_key(&key("m.room.member", "@eve:x")), "{version}");
    }
}

#[test]
fn a_rejected_event_allows_nothing() {
    let (mut world, trunk) = room("11");
    let (mut one, mut two) = (trunk.clone(), trunk);
    let forged = levels(&mut world, &mut one, "@alice:x", &[("@bob:x", 50), ("@dan:x", 50)], 30);
    world.must(&mut one, "@dan:x", "m.room.name", "", &json!({ "name": "by dan" }), 31);
    topic(&mut world, &mut two, "@carol:x", "x", 30);
    let accepted = world.resolve(&[one.state.clone(), two.state.clone()]);
    assert!(accepted.contains_key(&key("m.room.name", "")));
    world.events.get_mut(&forged).unwrap().rejected = true;
    one.state.insert(key("m.room.power_levels", ""), two.state[&key("m.room.power_levels", "")].clone());
    let state = world.resolve(&[one.state, two.state]);
    assert!(!state.contains_key(&key("m.room.name", "")), "only the rejected levels would allow it");
}

#[test]
fn power_levels_that_rest_on_themselves_are_refused() {
    let (mut world, trunk) = room("2");
    let (mut one, mut two) = (trunk.clone(), trunk);
    let first = levels(&mut world, &mut one, "@alice:x", &[("@bob:x", 60)], 30);
    let second = levels(&mut world, &mut one, "@alice:x", &[("@bob:x", 70)], 31);
    topic(&mut world, &mut two, "@carol:x", "x", 32);
    let mut event: serde_json::Value = serde_json::from_slice(world.events[&first].pdu.json()).unwrap();
    event["auth_events"] = json!([second]);
    let forged = crate::event::Pdu::parse(first.clone(), event.to_string().into(), &world.rules).unwrap();
    world.events.insert(first, Judged::accepted(forged.into()));
    let mut resolver = Resolver::new(&world.rules, vec![one.state, two.state]).unwrap();
    let outcome = loop {
        match resolver.step() {
            Err(error) => break error,
            Ok(Step::AuthOf(ids)) => {
                for id in ids {
                    let auth = world.events[&id].pdu.auth_events().to_vec();
                    resolver.give_auth(id, auth);
                }
            }
            Ok(Step::CitedBy(ids)) => ids.into_iter().for_each(|id| resolver.give_cited_by(id, Vec::new())),
            Ok(Step::Events(ids)) => {
                for id in ids {
                    let event = world.events.get(&id).cloned();
                    resolver.give_event(id, event);
                }
            }
            Ok(Step::Shared(keys)) => keys.into_iter().for_each(|key| resolver.give_shared(key, None)),
            Ok(Step::Done(_)) => panic!("it came to an end"),
        }
    };
    assert!(matches!(outcome, ResolveError::Circle(_)), "{outcome}");
}

#[test]
fn version_1_goes_by_depth() {
    let (mut world, mut trunk) = room("1");
    topic(&mut world, &mut trunk, "@carol:x", "before", 21);
    let (mut one, mut two) = (trunk.clone(), trunk);
    topic(&mut world, &mut one, "@carol:x", "deep", 22);
    topic(&mut world, &mut one, "@carol:x", "deeper", 23);
    topic(&mut world, &mut two, "@carol:x", "late", 9_000);
    world.member(&mut two, "@eve:x", "@eve:x", "join", 40);
    let state = world.resolve(&[one.state.clone(), two.state.clone()]);
    assert_eq!(world.content(&state, "m.room.topic", "").unwrap()["topic"], "deeper");
    assert!(state.contains_key(&key("m.room.member", "@eve:x")), "what one branch has alone is no conflict");

    // The line of power levels begins with the least deep, and goes on while each allows the next.
    let lower = levels(&mut world, &mut one, "@alice:x", &[("@bob:x", 100)], 50);
    let higher = levels(&mut world, &mut two, "@alice:x", &[("@bob:x", 40)], 51);
    assert_eq!(world.events[&lower].pdu.depth(), world.events[&higher].pdu.depth());
    topic(&mut world, &mut two, "@carol:x", "x", 52);
    let last = levels(&mut world, &mut two, "@alice:x", &[("@bob:x", 30)], 53);
    let state = world.resolve(&[one.state.clone(), two.state.clone()]);
    assert_eq!(
        state[&key("m.room.power_levels", "")],
        lower,
        "Bob has all power there, so Alice cannot take it from him"
    );
    world.member(&mut one, "@alice:x", "@dan:x", "ban", 60);
    world.member(&mut two, "@dan:x", "@dan:x", "leave", 61);
    world.member(&mut two, "@dan:x", "@dan:x", "join", 62);
    let state = world.resolve(&[one.state, two.state]);
    assert_eq!(
        world.content(&state, "m.room.member", "@dan:x").unwrap()["membership"],
        "ban",
        "and {last} does not matter"
    );
}

/// In a room of 50,000 members a conflict of topics asks for what the topics rest on, and for nothing of the members.
#[test]
fn the_cost_follows_the_conflict_and_not_the_room() {
    for version in ["11", "12"] {
        let (mut world, mut trunk) = room(version);
        for number in 0..50_000 {
            let user = format!("@u{number}:x");
            world.member(&mut trunk, &user, &user, "join", 100 + number);
        }
        let (mut one, mut two) = (trunk.clone(), trunk);
        topic(&mut world, &mut one, "@carol:x", "one", 90_000);
        topic(&mut world, &mut two, "@u7:x", "two", 90_001);
        let (state, asked) = world.stepwise(&[one.state, two.state]);
        println!("version {version}, a conflict of topics among 50,000 members: {asked:?}");
        assert_eq!(world.content(&state, "m.room.topic", "").unwrap()["topic"], "two");
        assert!(asked.auth + asked.cited_by + asked.events + asked.shared < 60, "{asked:?}");
    }
}

/// `cargo test --release -p domicile-room resolve -- --nocapture` prints how long it takes.
#[test]
fn two_branches_of_a_thousand_events_each_are_resolved() {
    for version in ["1", "6", "12"] {
        let (mut world, trunk) = room(version);
        let (mut one, mut two) = (trunk.clone(), trunk);
        for (side, branch) in [&mut one, &mut two].into_iter().enumerate() {
            for number in 0..600_u64 {
                let user = format!("@u{side}{number}:x");
                world.member(branch, &user, &user, "join", 100 + number);
            }
            for number in 0..100_i64 {
                levels(&mut world, branch, "@alice:x", &[("@bob:x", 50 + number % 7)], 1_000 + number.unsigned_abs());
            }
            for number in 0..300_u64 {
                let at = format!("{number}");
                world.must(branch, "@alice:x", "org.example.state", &at, &json!({ "side": side }), 3_000 + number);
            }
        }
        let (state, asked) = world.stepwise(&[one.state, two.state]);
        println!("version {version}, two branches of 1,000 events: {asked:?}");
        assert_eq!(state.keys().filter(|(kind, _)| *kind == StateEventType::RoomMember).count(), 1_204);
        assert!(asked.took.as_secs() < 10);
    }
}
