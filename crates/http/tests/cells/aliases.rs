//! Aliases are taken once in the whole deployment, and lead to their room from every cell.

use domicile_testkit::cluster::Cluster;
use serde_json::json;

use crate::{V3, two};

async fn room(by: &domicile_testkit::server::TestUser, preset: &str) -> String {
    let made = by.post(&format!("{V3}/createRoom"), &json!({ "preset": preset })).await.ok();
    made["room_id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_is_taken_once_and_leads_to_its_room_from_every_cell() {
    let cluster = two().await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    let (here, there) = (room(&alice, "public_chat").await, room(&bob, "public_chat").await);
    let alias = |name: &str| format!("{V3}/directory/room/%23{name}:example.org");
    for index in 0..10 {
        let path = alias(&format!("race{index}"));
        let (body, other) = (json!({ "room_id": here }), json!({ "room_id": there }));
        let (one, other) = tokio::join!(alice.put(&path, &body), bob.put(&path, &other));
        let mut answers = [one.status, other.status];
        answers.sort_unstable();
        assert_eq!(answers, [200, 409], "exactly one of two gets it");
        let winner = if one.status == 200 { &here } else { &there };
        for by in [&alice, &bob] {
            let found = by.get(&path).await.ok();
            assert_eq!(found["room_id"], json!(winner));
            assert!(!found.to_string().contains("cell"), "nobody outside hears of cells: {found}");
        }
    }
    // One that was made with its room; and free again, it is anybody's.
    let made = json!({ "preset": "public_chat", "room_alias_name": "garden" });
    let garden = alice.post(&format!("{V3}/createRoom"), &made).await.ok()["room_id"].clone();
    bob.post(&format!("{V3}/createRoom"), &made).await.fails(409, "M_ROOM_IN_USE");
    assert_eq!(bob.get(&alias("garden")).await.ok()["room_id"], garden);
    assert_ne!(bob.delete(&alias("garden"), &json!({})).await.status, 200, "it is another cell's");
    alice.delete(&alias("garden"), &json!({})).await.ok();
    bob.get(&alias("garden")).await.fails(404, "M_NOT_FOUND");
    bob.put(&alias("garden"), &json!({ "room_id": there })).await.ok();
    assert_eq!(alice.get(&alias("garden")).await.ok()["room_id"], json!(there));
    let names = &cluster.cell("eu1").services.users.localities().cells().unwrap().names;
    assert_eq!(names.check_log().await.unwrap(), 15, "two people, ten and one aliases, one freed and one taken again");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_knows_an_alias_joins_by_it_in_another_cell_as_the_rules_let_them() {
    for (rule, encrypted, joins) in [
        ("encrypted_only", true, true),
        ("encrypted_only", false, false),
        ("allow", false, true),
        ("forbid", true, false),
    ] {
        let cluster =
            Cluster::with_flow(&["eu", "ru"], rule).await.with_user("eu1", "alice").await.with_user("ru1", "bob").await;
        let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
        let state = json!([{ "type": "m.room.encryption", "content": { "algorithm": "m.megolm.v1.aes-sha2" } }]);
        let mut body = json!({ "preset": "public_chat", "room_alias_name": "garden" });
        if encrypted {
            body["initial_state"] = state;
        }
        let room = alice.post(&format!("{V3}/createRoom"), &body).await.ok()["room_id"].clone();
        let joined = bob.post(&format!("{V3}/join/%23garden:example.org"), &json!({})).await;
        if joins {
            assert_eq!(joined.ok()["room_id"], room, "{rule} {encrypted}");
            continue;
        }
        let answer = joined.json().clone();
        if rule == "forbid" {
            // Whether there is such a room is not told.
            assert_eq!(joined.status, 404, "{answer}");
        } else {
            assert_eq!(joined.status, 403, "{answer}");
            assert!(answer["error"].as_str().unwrap().contains("encrypt"), "a sentence says why: {answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_goes_along_with_its_room() {
    let cluster = two().await;
    let alice = cluster.user("eu1", "alice");
    let made = json!({ "preset": "private_chat", "room_alias_name": "attic" });
    let room = alice.post(&format!("{V3}/createRoom"), &made).await.ok()["room_id"].clone();
    crate::moves::into(&cluster, "eu1", &alice, "ru").await;
    let found = cluster.user("ru1", "bob").get(&format!("{V3}/directory/room/%23attic:example.org")).await.ok();
    assert_eq!(found["room_id"], room);
    let names = &cluster.cell("eu1").services.users.localities().cells().unwrap().names;
    let home = names.alias_home("#attic:example.org".try_into().unwrap()).await.unwrap().unwrap();
    assert_eq!(home.as_str(), "ru1");
    assert!(cluster.aliases("eu1").await.is_empty(), "nothing of it is left where it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_that_is_removed_while_the_directory_is_away_is_anybodys_afterwards() {
    let cluster = two().await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    let (here, there) = (room(&alice, "public_chat").await, room(&bob, "public_chat").await);
    let alias = |name: &str| format!("{V3}/directory/room/%23{name}:example.org");
    for name in ["garden", "kitchen"] {
        bob.put(&alias(name), &json!({ "room_id": there })).await.ok();
    }
    cluster.cut();
    for name in ["garden", "kitchen"] {
        bob.delete(&alias(name), &json!({})).await.ok();
        assert_ne!(bob.get(&alias(name)).await.status, 200);
    }
    cluster.heal();
    alice.put(&alias("garden"), &json!({ "room_id": here })).await.fails(409, "M_ROOM_IN_USE");
    // One of them is made anew before the directory has heard of it.
    bob.put(&alias("kitchen"), &json!({ "room_id": there })).await.ok();
    let names = &cluster.cell("ru1").services.users.localities().cells().unwrap().names;
    assert_eq!(names.free_aliases().await.unwrap(), 1);
    assert_eq!(names.free_aliases().await.unwrap(), 0);
    alice.put(&alias("garden"), &json!({ "room_id": here })).await.ok();
    assert_eq!(bob.get(&alias("garden")).await.ok()["room_id"], json!(here));
    alice.put(&alias("kitchen"), &json!({ "room_id": here })).await.fails(409, "M_ROOM_IN_USE");
}
