//! One room in two cells.

use domicile_testkit::{cluster::Cluster, server::TestUser};
use serde_json::{Value, json};

use crate::{V3, read, say, shared, shared_of, state, two, until};

#[tokio::test(flavor = "multi_thread")]
async fn people_of_two_cells_talk_in_one_room() {
    let cluster = two().await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    let room = shared(&alice, &bob).await;
    assert_eq!(state(&alice, &room).await, state(&bob, &room).await);
    let (one, two) = (say(&alice, &room, "one").await, say(&bob, &room, "two").await);
    until("both read both", || async {
        let expected = [one.clone(), two.clone()];
        let all = |read: Vec<String>| expected.iter().all(|id| read.contains(id)) && read.len() == 2;
        all(read(&alice, &room).await) && all(read(&bob, &room).await)
    })
    .await;
    // One name, wherever somebody lives; nothing that a client sees names a cell.
    assert_eq!((alice.id(), bob.id()), ("@alice:example.org", "@bob:example.org"));
    for by in [&alice, &bob] {
        let sync = by.get(&format!("{V3}/sync")).await;
        let text = String::from_utf8_lossy(&sync.bytes).into_owned();
        // Words, since three letters in a row may stand in any random id.
        let mut words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && !"-_".contains(letter));
        assert!(!words.any(|word| word == "eu1" || word == "ru1") && !text.contains("cell.invalid"), "{text}");
    }
    // Profiles, receipts and typing cross.
    alice.put(&format!("{V3}/profile/{}/displayname", alice.id()), &json!({ "displayname": "Alice" })).await.ok();
    let profile = bob.get(&format!("{V3}/profile/{}", alice.id())).await.ok();
    assert_eq!(profile["displayname"], "Alice");
    alice.post(&format!("{V3}/rooms/{room}/receipt/m.read/{two}"), &json!({})).await.ok();
    let typing = format!("{V3}/rooms/{room}/typing/{}", alice.id());
    alice.put(&typing, &json!({ "typing": true, "timeout": 30_000 })).await.ok();
    until("bob sees that alice has read, and types", || async {
        let sync = bob.get(&format!("{V3}/sync")).await.ok();
        let ephemeral = sync["rooms"]["join"][&room]["ephemeral"]["events"].to_string();
        ephemeral.contains("m.read") && ephemeral.contains("m.typing") && ephemeral.contains(alice.id())
    })
    .await;
    // Bob leaves, and alice hears it.
    bob.post(&format!("{V3}/rooms/{room}/leave"), &json!({})).await.ok();
    until("bob is gone", || async {
        let members = alice.get(&format!("{V3}/rooms/{room}/joined_members")).await.ok();
        members["joined"].as_object().unwrap().len() == 1
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_go_on_while_the_border_is_closed_and_agree_afterwards() {
    let cluster = two().await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    let room = shared_of(&alice, &bob, json!({ "room_version": "11" })).await;
    let mut said = vec![say(&alice, &room, "before").await];
    until("bob reads it", || async { read(&bob, &room).await == said }).await;
    cluster.cut();
    for index in 0..5 {
        said.push(say(&alice, &room, &format!("here-{index}")).await);
        said.push(say(&bob, &room, &format!("there-{index}")).await);
    }
    // State on both sides, too.
    let levels = json!({ "users": { alice.id(): 100, bob.id(): 50 }, "events_default": 0 });
    alice.put(&format!("{V3}/rooms/{room}/state/m.room.power_levels"), &levels).await.ok();
    assert_eq!(read(&alice, &room).await.len(), 6, "nothing crosses a closed border");
    assert_eq!(read(&bob, &room).await.len(), 6);
    cluster.heal();
    said.push(say(&alice, &room, "after-here").await);
    said.push(say(&bob, &room, "after-there").await);
    said.sort_unstable();
    until("both have all messages, each once", || async {
        let sorted = |mut read: Vec<String>| {
            read.sort_unstable();
            read
        };
        sorted(read(&alice, &room).await) == said && sorted(read(&bob, &room).await) == said
    })
    .await;
    until("both have the same state", || async { state(&alice, &room).await == state(&bob, &room).await }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_cell_was_not_told_for_a_while_it_is_told_and_need_not_ask_for() {
    let cluster = two().await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    let room = shared(&alice, &bob).await;
    let before = say(&alice, &room, "before").await;
    let is_read = |id: String| {
        let (bob, room) = (&bob, &room);
        async move { bob.get(&format!("{V3}/rooms/{room}/event/{id}")).await.status.is_success() }
    };
    until("bob reads it", || is_read(before.clone())).await;
    cluster.cut();
    let mut said = Vec::new();
    // More than another server would be told.
    for index in 0..600 {
        said.push(say(&alice, &room, &format!("m{index}")).await);
    }
    let asked = || cluster.cell("ru1").services.peers.counts().values().sum::<u64>();
    let asked_before = asked();
    cluster.heal();
    until("bob has the last of it", || is_read(said.last().unwrap().clone())).await;
    assert_eq!(asked(), asked_before, "something was missing");
    for id in said {
        assert!(is_read(id).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_cells_share_a_room_and_read_its_past() {
    let cluster = Cluster::of(&["eu", "ru", "us"]).await;
    let cluster = cluster.with_user("eu1", "alice").await.with_user("ru1", "bob").await.with_user("us1", "carol").await;
    let (alice, bob, carol) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"), cluster.user("us1", "carol"));
    let room = shared_of(&alice, &bob, json!({ "room_version": "11" })).await;
    let mut said = vec![say(&alice, &room, "early").await];
    // Bob's cell invites somebody of a third one.
    let levels = json!({ "users": { alice.id(): 100, bob.id(): 100 } });
    alice.put(&format!("{V3}/rooms/{room}/state/m.room.power_levels"), &levels).await.ok();
    until("bob may invite", || async {
        bob.post(&format!("{V3}/rooms/{room}/invite"), &json!({ "user_id": carol.id() })).await.status.is_success()
    })
    .await;
    carol.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    until("alice sees carol", || async {
        let members = alice.get(&format!("{V3}/rooms/{room}/joined_members")).await.ok();
        members["joined"].as_object().unwrap().len() == 3
    })
    .await;
    for (by, text) in [(&alice, "from-eu"), (&bob, "from-ru"), (&carol, "from-us")] {
        said.push(say(by, &room, text).await);
    }
    for by in [&alice, &bob, &carol] {
        until("everybody reads everything, the past included", || async {
            let read = read(by, &room).await;
            said.iter().all(|id| read.contains(id))
        })
        .await;
    }
    // A redaction of one's own message takes effect everywhere.
    let path = format!("{V3}/rooms/{room}/redact/{}/r1", said[0]);
    alice.put(&path, &json!({})).await.ok();
    until("it is gone for carol", || async {
        let event = carol.get(&format!("{V3}/rooms/{room}/event/{}", said[0])).await.json();
        event["content"].as_object().is_some_and(serde_json::Map::is_empty)
    })
    .await;
}

/// All that somebody finds who pages back in a room, in the order of its names: branches stand in another order in each cell. Whether it ended.
async fn all_of(by: &TestUser, room: &str) -> (Vec<String>, bool) {
    let (mut found, mut from) = (Vec::new(), String::new());
    for _ in 0..20 {
        let page = by.get(&format!("{V3}/rooms/{room}/messages?dir=b&limit=200{from}")).await.ok();
        let events = page["chunk"].as_array().unwrap().iter();
        found.extend(events.map(|event| format!("{} {} {}", event["type"], event["state_key"], event["event_id"])));
        let Some(end) = page["end"].as_str() else {
            found.sort_unstable();
            return (found, true);
        };
        from = format!("&from={end}");
    }
    found.sort_unstable();
    (found, false)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_late_from_a_third_cell_reads_back_to_the_creation() {
    for flow in ["allow", "encrypted_only"] {
        let cluster = Cluster::with_flow(&["eu", "ru", "us"], flow).await;
        let cluster =
            cluster.with_user("eu1", "alice").await.with_user("us1", "carol").await.with_user("eu1", "gina").await;
        let cluster =
            cluster.with_user("ru1", "bob").await.with_user("ru1", "dave").await.with_user("ru1", "erin").await;
        let cluster = cluster.with_user("us1", "hans").await.with_user("ru1", "ivan").await;
        let (alice, carol) = (cluster.user("eu1", "alice"), cluster.user("us1", "carol"));
        for version in ["10", "12"] {
            let room = shared_of(&alice, &cluster.user("ru1", "bob"), json!({ "room_version": version })).await;
            // Some decline, one comes and goes again, and one never answers.
            for (cell, name, answer) in [
                ("ru1", "dave", "leave"),
                ("eu1", "gina", "leave"),
                ("us1", "hans", "leave"),
                ("ru1", "erin", "join"),
                ("ru1", "ivan", ""),
            ] {
                let who = cluster.user(cell, name);
                alice.post(&format!("{V3}/rooms/{room}/invite"), &json!({ "user_id": who.id() })).await.ok();
                let invites = || async { who.get(&format!("{V3}/sync")).await.ok()["rooms"]["invite"].clone() };
                until("the invite is there", || async { invites().await.get(&room).is_some() }).await;
                if !answer.is_empty() {
                    who.post(&format!("{V3}/rooms/{room}/{answer}"), &json!({})).await.ok();
                }
            }
            let erin = cluster.user("ru1", "erin");
            let said = say(&erin, &room, "early").await;
            until("alice reads erin", || async { read(&alice, &room).await == [said.clone()] }).await;
            erin.post(&format!("{V3}/rooms/{room}/leave"), &json!({})).await.ok();
            alice.post(&format!("{V3}/rooms/{room}/invite"), &json!({ "user_id": carol.id() })).await.ok();
            carol.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
            let last = say(&carol, &room, "late").await;
            until("alice reads carol", || async { read(&alice, &room).await.contains(&last) }).await;
            let what = format!("carol reads all that alice reads (version {version}, {flow})");
            until(&what, || async {
                let (there, here) = (all_of(&carol, &room).await, all_of(&alice, &room).await);
                there == here && here.1
            })
            .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_while_somebody_speaks_elsewhere_hears_it_without_another_word() {
    let cluster = Cluster::of(&["ru", "eu", "ch"]).await.with_user("eu1", "alice").await.with_user("ru1", "bob").await;
    let cluster = cluster.with_user("ch1", "carol").await;
    let (alice, bob, carol) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"), cluster.user("ch1", "carol"));
    let room = shared(&alice, &bob).await;
    let first = say(&alice, &room, "first").await;
    until("bob reads it", || async { read(&bob, &room).await == [first.clone()] }).await;
    cluster.cut_off("eu1");
    bob.post(&format!("{V3}/rooms/{room}/invite"), &json!({ "user_id": carol.id() })).await.ok();
    carol.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    let since = carol.get(&format!("{V3}/sync")).await.ok()["next_batch"].as_str().unwrap().to_owned();
    let meanwhile = say(&alice, &room, "meanwhile").await;
    cluster.heal();
    until("carol reads what alice said meanwhile", || async { read(&carol, &room).await.contains(&meanwhile) }).await;
    for by in [&alice, &bob, &carol] {
        until("all read both", || async { read(by, &room).await.len() == 2 }).await;
    }
    // What had been said before she came is no news to her client.
    let sync = carol.get(&format!("{V3}/sync?since={since}")).await.ok();
    let news = sync["rooms"]["join"][&room]["timeline"]["events"].as_array().unwrap().iter();
    let told: Vec<&Value> =
        news.filter(|event| event["type"] != "org.matrix.dummy_event").map(|event| &event["event_id"]).collect();
    assert_eq!(told, [&meanwhile], "{sync}");
}
