//! Lists across cells: public rooms, spaces, and people. Each cell is asked for its own, and nothing of it is kept.

use axum::http::Method;
use domicile_testkit::{cluster::Cluster, server::TestUser, tap::Tap};
use serde_json::{Value, json};

use crate::{V3, until};

async fn three(rule: &str) -> Cluster {
    let cluster = Cluster::with_flow(&["eu", "ru", "us"], rule).await;
    cluster.with_user("eu1", "alice").await.with_user("ru1", "bob").await.with_user("us1", "carol").await
}

async fn listed(by: &TestUser, name: &str, more: Value) -> String {
    let mut body = json!({ "preset": "public_chat", "visibility": "public", "name": name });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    by.post(&format!("{V3}/createRoom"), &body).await.ok()["room_id"].as_str().unwrap().to_owned()
}

/// All pages of the public rooms that somebody sees, by so many at once.
async fn pages(by: &TestUser, limit: u64, filter: Value) -> Vec<Value> {
    let (mut rooms, mut since) = (Vec::new(), None::<String>);
    for _ in 0..30 {
        let mut body = json!({ "limit": limit, "filter": filter });
        if let Some(since) = &since {
            body["since"] = since.as_str().into();
        }
        let page = by.post(&format!("{V3}/publicRooms"), &body).await.ok();
        let chunk = page["chunk"].as_array().unwrap();
        assert!(chunk.len() as u64 <= limit);
        rooms.extend(chunk.iter().cloned());
        match page["next_batch"].as_str() {
            Some(next) => since = Some(next.to_owned()),
            None => return rooms,
        }
    }
    panic!("the list does not end: {rooms:?}");
}

fn sorted(rooms: &[Value], key: &str) -> Vec<String> {
    let mut values: Vec<String> = rooms.iter().map(|room| room[key].as_str().unwrap_or_default().to_owned()).collect();
    values.sort_unstable();
    values
}

#[tokio::test(flavor = "multi_thread")]
async fn public_rooms_of_all_cells_are_one_list() {
    let cluster = three("allow").await;
    let [alice, bob, carol] =
        [("eu1", "alice"), ("ru1", "bob"), ("us1", "carol")].map(|(cell, who)| cluster.user(cell, who));
    for name in ["attic", "bath", "cellar"] {
        listed(&alice, name, json!({})).await;
    }
    listed(&bob, "dining room", json!({})).await;
    listed(&carol, "entrance", json!({})).await;
    bob.post(&format!("{V3}/createRoom"), &json!({ "preset": "public_chat", "name": "not listed" })).await.ok();
    for by in [&alice, &bob, &carol] {
        for limit in [1, 2, 100] {
            let rooms = pages(by, limit, json!({})).await;
            assert_eq!(sorted(&rooms, "name"), ["attic", "bath", "cellar", "dining room", "entrance"]);
        }
        let found = pages(by, 10, json!({ "generic_search_term": "Cell" })).await;
        assert_eq!(sorted(&found, "name"), ["cellar"]);
    }
    // A room of which there are two copies is in the list once.
    let garden = listed(&alice, "garden", json!({ "room_alias_name": "garden" })).await;
    bob.post(&format!("{V3}/join/%23garden:example.org"), &json!({})).await.ok();
    let rooms = pages(&bob, 100, json!({})).await;
    assert_eq!(rooms.iter().filter(|room| room["room_id"] == json!(garden)).count(), 1);
    // A cell that is away is left out.
    cluster.cut_off("us1");
    let rooms = pages(&bob, 100, json!({})).await;
    assert_eq!(sorted(&rooms, "name"), ["attic", "bath", "cellar", "dining room", "garden"]);
    bob.post(&format!("{V3}/publicRooms"), &json!({ "since": "c0_" })).await.fails(400, "M_INVALID_PARAM");
    assert!(pages(&carol, 100, json!({})).await.iter().any(|room| room["name"] == "entrance"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_cross_is_in_no_list() {
    for rule in ["encrypted_only", "forbid"] {
        let cluster = three(rule).await;
        let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
        let more = json!({ "topic": "roses", "room_alias_name": "garden", "creation_content": { "type": "m.space" } });
        let room = listed(&alice, "garden", more).await;
        let rooms = pages(&bob, 10, json!({})).await;
        let found = pages(&bob, 10, json!({ "generic_search_term": "garden" })).await;
        assert!(found.is_empty(), "{rule}: {found:?}");
        let text = json!(rooms).to_string();
        assert!(!text.contains("garden") && !text.contains("roses"), "{rule}: {text}");
        assert_eq!(rooms.iter().any(|shown| shown["room_id"] == json!(room)), rule == "encrypted_only");
        let tree = bob.get(&format!("/_matrix/client/v1/rooms/{room}/hierarchy")).await;
        let text = tree.json().to_string();
        assert!(!text.contains("garden") && !text.contains("roses"), "{rule}: {text}");
        assert_eq!(tree.status == 200, rule == "encrypted_only", "{rule}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_space_is_seen_from_another_cell() {
    let cluster = three("allow").await;
    let (alice, bob, carol) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"), cluster.user("us1", "carol"));
    let space = listed(&alice, "house", json!({ "creation_content": { "type": "m.space" } })).await;
    let children = [listed(&alice, "attic", json!({})).await, listed(&carol, "entrance", json!({})).await];
    for child in &children {
        let path = format!("{V3}/rooms/{space}/state/m.space.child/{child}");
        alice.put(&path, &json!({ "via": ["example.org"] })).await.ok();
    }
    let tree = bob.get(&format!("/_matrix/client/v1/rooms/{space}/hierarchy")).await.ok();
    let rooms = tree["rooms"].as_array().unwrap();
    assert_eq!(sorted(rooms, "name"), ["attic", "entrance", "house"]);
    // Within a bounded time also without one of them.
    cluster.cut_off("us1");
    let server = cluster.cell("ru1");
    server.clock.advance(10 * 60_000);
    let tree = bob.get(&format!("/_matrix/client/v1/rooms/{space}/hierarchy")).await.ok();
    assert_eq!(sorted(tree["rooms"].as_array().unwrap(), "name"), ["attic", "house"]);
}

async fn find(by: &TestUser, term: &str) -> Vec<String> {
    let found =
        by.post(&format!("{V3}/user_directory/search"), &json!({ "search_term": term, "limit": 10 })).await.ok();
    sorted(found["results"].as_array().unwrap(), "user_id")
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_found_in_other_cells_if_they_can_be_found_at_all() {
    let withheld = |document: &str| document.replacen("code = \"us\"\n", "code = \"us\"\nprofiles = \"withheld\"\n", 1);
    let cells = [("eu1", "eu"), ("ru1", "ru"), ("us1", "us")];
    let cluster = Cluster::with_own(&cells, "encrypted_only", withheld, |_, settings| settings).await;
    let cluster = cluster.with_user("eu1", "alice").await.with_user("eu1", "hidden").await;
    let cluster = cluster.with_user("ru1", "bob").await.with_user("us1", "carol").await;
    let (alice, hidden, bob, carol) = (
        cluster.user("eu1", "alice"),
        cluster.user("eu1", "hidden"),
        cluster.user("ru1", "bob"),
        cluster.user("us1", "carol"),
    );
    for (who, name) in [(&alice, "Rose Smith"), (&hidden, "Rose Hidden"), (&bob, "Rose Bob"), (&carol, "Rose Carol")] {
        who.put(&format!("{V3}/profile/{}/displayname", who.id()), &json!({ "displayname": name })).await.ok();
    }
    for who in [&alice, &bob, &carol] {
        listed(who, "open", json!({})).await;
    }
    assert_eq!(find(&bob, "rose").await, ["@alice:example.org"]);
    assert_eq!(find(&alice, "rose").await, ["@bob:example.org"]);
    assert_eq!(find(&carol, "rose").await, ["@alice:example.org", "@bob:example.org"]);
    // Nothing of it is kept.
    cluster.cut_off("eu1");
    assert!(find(&bob, "rose").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn other_servers_see_in_lists_what_the_rules_let_them_see() {
    for outer in ["allow", "encrypted_only"] {
        let cluster = Cluster::with_gateway(&["eu", "ru"], "allow", outer).await;
        let cluster = cluster.with_user("eu1", "alice").await.with_user("ru1", "bob").await;
        let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
        let (gateway, tap) = (cluster.cell("eu1"), Tap::start().await);
        let more = json!({ "topic": "roses", "room_alias_name": "garden", "creation_content": { "type": "m.space" } });
        let room = listed(&alice, "garden", more).await;
        let fence = json!([{ "type": "domicile.fence", "state_key": "", "content": { "regions": ["eu"] } }]);
        let fenced = listed(&alice, "cloister", json!({ "initial_state": fence })).await;
        let shown = tap.ask(gateway, Method::GET, "/_matrix/federation/v1/publicRooms", None).await.ok();
        let tree = tap.ask(gateway, Method::GET, &format!("/_matrix/federation/v1/hierarchy/{room}"), None).await.ok();
        for answer in [&shown, &tree] {
            let text = answer.to_string();
            assert!(text.contains(&room), "{outer}: {text}");
            assert_eq!(text.contains("garden") && text.contains("roses"), outer == "allow", "{text}");
            assert_eq!(text.contains("garden") || text.contains("roses"), outer == "allow", "{text}");
            assert!(!text.contains(&fenced) && !text.contains("cloister"), "a fence leaves other servers out: {text}");
        }
        let body = json!({ "filter": { "generic_search_term": "roses" } });
        let found = tap.ask(gateway, Method::POST, "/_matrix/federation/v1/publicRooms", Some(&body)).await.ok();
        assert_eq!(found["chunk"].as_array().unwrap().len(), usize::from(outer == "allow"), "{found}");
        let path = format!("/_matrix/federation/v1/hierarchy/{fenced}");
        assert_eq!(tap.ask(gateway, Method::GET, &path, None).await.status, 404);
        // Nor does another region that the fence does not name see the room.
        let rooms = pages(&bob, 1, json!({})).await;
        assert!(rooms.iter().any(|shown| shown["room_id"] == json!(room)), "{rooms:?}");
        assert!(!rooms.iter().any(|shown| shown["room_id"] == json!(fenced)), "{rooms:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_listed_by_the_rules_of_who_gave_it() {
    let cells = [("eu1", "eu"), ("ru1", "ru"), ("us1", "us")];
    let strict = |document: &str| {
        let flow = "from = \"ru\"\nto = \"us\"\nrule = \"allow\"";
        assert!(document.contains(flow), "{document}");
        document.replacen(flow, "from = \"ru\"\nto = \"us\"\nrule = \"encrypted_only\"", 1)
    };
    let cluster = Cluster::with_own(&cells, "allow", strict, |_, settings| settings).await;
    let cluster = cluster.with_user("eu1", "alice").await.with_user("ru1", "bob").await.with_user("us1", "carol").await;
    let (alice, bob, carol) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"), cluster.user("us1", "carol"));
    let levels = json!({ "users": { alice.id(): 100, bob.id(): 100 } });
    let more = json!({ "room_version": "11", "topic": "roses", "power_level_content_override": levels });
    let room = listed(&alice, "garden", more).await;
    bob.post(&format!("{V3}/join/{room}?via=example.org"), &json!({})).await.ok();
    bob.put(&format!("{V3}/rooms/{room}/state/m.room.name"), &json!({ "name": "backyard" })).await.ok();
    let here = format!("{V3}/rooms/{room}/state/m.room.name");
    until("alice has the new name", || async { alice.get(&here).await.json()["name"] == "backyard" }).await;
    let rooms = pages(&carol, 10, json!({})).await;
    let shown = rooms.iter().find(|shown| shown["room_id"] == json!(room)).unwrap();
    assert_eq!((&shown["name"], &shown["topic"]), (&Value::Null, &json!("roses")), "{shown}");
    assert!(pages(&carol, 10, json!({ "generic_search_term": "backyard" })).await.is_empty());
}
