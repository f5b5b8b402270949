//! What may cross, and the sentence for whoever runs into a rule.

use domicile_testkit::{
    cluster::Cluster,
    server::{Settings, TestServer, TestUser},
};
use serde_json::json;

use crate::{V3, read, say, shared, two, until};

fn refused(answer: &domicile_testkit::server::Answered, expected: &str) {
    assert_eq!(answer.status, 403, "{}", answer.json());
    let told = answer.json()["error"].as_str().unwrap().to_owned();
    assert!(told.contains(expected), "{told}");
    for region in ["eu", "ru", "eu1", "ru1"] {
        assert!(!told.split(|letter: char| !letter.is_alphanumeric()).any(|word| word == region), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_encrypted_rooms_cross_and_in_them_only_what_is_encrypted() {
    let cluster = two().await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    let made = alice.post(&format!("{V3}/createRoom"), &json!({ "preset": "public_chat" })).await.ok();
    let plain = made["room_id"].as_str().unwrap().to_owned();
    let invite = json!({ "user_id": bob.id() });
    refused(&alice.post(&format!("{V3}/rooms/{plain}/invite"), &invite).await, "not encrypted");
    refused(&bob.post(&format!("{V3}/join/{plain}?via=example.org"), &json!({})).await, "not encrypted");
    let room = shared(&alice, &bob).await;
    for by in [&alice, &bob] {
        let path = format!("{V3}/rooms/{room}/send/m.room.message/plain-{}", by.device_id);
        refused(&by.put(&path, &json!({ "msgtype": "m.text", "body": "in the clear" })).await, "not encrypted");
        let path = format!("{V3}/rooms/{room}/send/m.reaction/reaction-{}", by.device_id);
        refused(&by.put(&path, &json!({})).await, "Reactions cannot be encrypted");
    }
    let topic = format!("{V3}/rooms/{room}/state/m.room.topic");
    refused(&alice.put(&topic, &json!({ "topic": "in the clear" })).await, "topic");
    // What they did before they met is theirs alone.
    alice.put(&format!("{V3}/rooms/{plain}/state/m.room.topic"), &json!({ "topic": "at home" })).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_before_a_room_crossed_does_not_follow() {
    let cluster = two().await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    let body = json!({ "preset": "public_chat", "room_version": "11", "topic": "a plain topic" });
    let room = alice.post(&format!("{V3}/createRoom"), &body).await.ok()["room_id"].as_str().unwrap().to_owned();
    let path = format!("{V3}/rooms/{room}/send/m.room.message/early");
    alice.put(&path, &json!({ "msgtype": "m.text", "body": "plain words" })).await.ok();
    let encryption = json!({ "algorithm": "m.megolm.v1.aes-sha2" });
    alice.put(&format!("{V3}/rooms/{room}/state/m.room.encryption"), &encryption).await.ok();
    bob.post(&format!("{V3}/join/{room}?via=example.org"), &json!({})).await.ok();
    let late = say(&alice, &room, "late").await;
    until("bob reads what is encrypted", || async { read(&bob, &room).await.contains(&late) }).await;
    let messages = bob.get(&format!("{V3}/rooms/{room}/messages?dir=b&limit=100")).await.ok().to_string();
    let state = bob.get(&format!("{V3}/rooms/{room}/state")).await.ok().to_string();
    for told in [&messages, &state] {
        assert!(!told.contains("plain"), "{told}");
    }
    assert!(state.contains("m.room.topic"), "the topic's event is there, without its words: {state}");
    // Nothing of it lies on the disk of the other cell.
    assert_eq!(crate::state(&alice, &room).await, crate::state(&bob, &room).await);
    let stored = format!("{:?}", cluster.cell("ru1").contents().await);
    assert!(!stored.contains("plain words") && !stored.contains("plain topic"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fence_keeps_a_room_where_it_is() {
    let cluster = two().await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    let fence = json!([{ "type": "domicile.fence", "state_key": "", "content": { "regions": ["eu"] } }]);
    let body = json!({ "preset": "private_chat", "initial_state": fence });
    let room = alice.post(&format!("{V3}/createRoom"), &body).await.ok()["room_id"].as_str().unwrap().to_owned();
    let invite = json!({ "user_id": bob.id() });
    refused(&alice.post(&format!("{V3}/rooms/{room}/invite"), &invite).await, "own rules");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forbidden_does_not_cross_at_all() {
    let cluster = Cluster::with_flow(&["eu", "ru"], "forbid").await;
    let cluster = cluster.with_user("eu1", "alice").await.with_user("ru1", "bob").await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    let body = json!({ "preset": "private_chat" });
    let room = alice.post(&format!("{V3}/createRoom"), &body).await.ok()["room_id"].as_str().unwrap().to_owned();
    let told = alice.post(&format!("{V3}/rooms/{room}/invite"), &json!({ "user_id": bob.id() })).await;
    assert_eq!(told.status, 404, "who may not be seen is nobody: {}", told.json());
    let told = bob.post(&format!("{V3}/join/{room}?via=example.org"), &json!({})).await;
    assert!(told.status.is_client_error(), "{}", told.json());
}

/// A room of somebody at which others may knock, encrypted as private rooms are.
async fn knockable(by: &TestUser) -> String {
    let rule = json!([{ "type": "m.room.join_rules", "state_key": "", "content": { "join_rule": "knock" } }]);
    let body = json!({ "preset": "private_chat", "room_version": "11", "initial_state": rule });
    by.post(&format!("{V3}/createRoom"), &body).await.ok()["room_id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_with_a_membership_does_not_cross() {
    let cluster = two().await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    let reason = json!({ "reason": "planted words" });
    // An invite, with a reason and with a key of its own.
    let room = knockable(&alice).await;
    let told = json!({ "user_id": bob.id(), "reason": "planted words" });
    refused(&alice.post(&format!("{V3}/rooms/{room}/invite"), &told).await, "leave it away");
    let membership = format!("{V3}/rooms/{room}/state/m.room.member/{}", bob.id());
    let told = json!({ "membership": "invite", "org.example.note": "planted words" });
    refused(&alice.put(&membership, &told).await, "beside this membership");
    alice.post(&format!("{V3}/rooms/{room}/invite"), &json!({ "user_id": bob.id() })).await.ok();
    until("the invite comes", || async {
        bob.get(&format!("{V3}/sync")).await.ok()["rooms"]["invite"].get(&room).is_some()
    })
    .await;
    // Bob refuses it, and knocks.
    refused(&bob.post(&format!("{V3}/rooms/{room}/leave"), &reason).await, "leave it away");
    bob.post(&format!("{V3}/rooms/{room}/leave"), &json!({})).await.ok();
    let knock = format!("{V3}/knock/{room}?via=example.org");
    refused(&bob.post(&knock, &reason).await, "leave it away");
    bob.post(&knock, &json!({})).await.ok();
    // What becomes of the knock is told him.
    let of_bob = json!({ "user_id": bob.id(), "reason": "planted words" });
    refused(&alice.post(&format!("{V3}/rooms/{room}/kick"), &of_bob).await, "leave it away");
    alice.post(&format!("{V3}/rooms/{room}/invite"), &json!({ "user_id": bob.id() })).await.ok();
    let join = format!("{V3}/join/{room}?via=example.org");
    refused(&bob.post(&join, &reason).await, "leave it away");
    bob.post(&join, &json!({})).await.ok();
    // In the room.
    for act in ["kick", "ban"] {
        refused(&alice.post(&format!("{V3}/rooms/{room}/{act}"), &of_bob).await, "leave it away");
    }
    refused(&bob.post(&format!("{V3}/rooms/{room}/leave"), &reason).await, "leave it away");
    let told = json!({ "membership": "join", "displayname": "Bob", "org.example.note": "planted words" });
    refused(&bob.put(&membership, &told).await, "beside this membership");
    let message = say(&bob, &room, "encrypted").await;
    refused(&bob.put(&format!("{V3}/rooms/{room}/redact/{message}/r1"), &reason).await, "leave it away");
    let told = json!({ "redacts": message, "org.example.note": "planted words" });
    refused(&bob.put(&format!("{V3}/rooms/{room}/send/m.room.redaction/r2"), &told).await, "beside this redaction");
    alice.post(&format!("{V3}/rooms/{room}/ban"), &json!({ "user_id": bob.id() })).await.ok();
    until("bob is out", || async {
        bob.get(&format!("{V3}/joined_rooms")).await.ok()["joined_rooms"].as_array().unwrap().is_empty()
    })
    .await;
    for cell in ["eu1", "ru1"] {
        assert!(!format!("{:?}", cluster.cell(cell).contents().await).contains("planted"), "{cell}");
    }
    // Who is at home where the room is may say why.
    let own = knockable(&alice).await;
    let cluster = cluster.with_user("eu1", "anna").await;
    let anna = cluster.user("eu1", "anna");
    anna.post(&format!("{V3}/knock/{own}"), &json!({ "reason": "let me in" })).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_with_a_membership_does_not_reach_other_servers() {
    let cluster = Cluster::with_gateway(&["eu", "ru"], "encrypted_only", "encrypted_only").await;
    let cluster = cluster.with_user("eu1", "alice").await.with_user("ru1", "bob").await;
    let settings = Settings { tells: true, ..Settings::default() };
    let there = TestServer::federating_with(settings).await.with_user("eve").await;
    let (alice, bob, eve) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"), there.user("eve"));
    let (_, server) = eve.id().split_once(':').unwrap();
    let theirs = knockable(&eve).await;
    for by in [&alice, &bob] {
        let knock = format!("{V3}/knock/{theirs}?via={server}");
        refused(&by.post(&knock, &json!({ "reason": "planted words" })).await, "leave it away");
        by.post(&knock, &json!({})).await.ok();
        let leave = format!("{V3}/rooms/{theirs}/leave");
        refused(&by.post(&leave, &json!({ "reason": "planted words" })).await, "leave it away");
        by.post(&leave, &json!({})).await.ok();
        let ours = knockable(by).await;
        let told = json!({ "user_id": eve.id(), "reason": "planted words" });
        refused(&by.post(&format!("{V3}/rooms/{ours}/invite"), &told).await, "leave it away");
        by.post(&format!("{V3}/rooms/{ours}/invite"), &json!({ "user_id": eve.id() })).await.ok();
        refused(&by.post(&format!("{V3}/rooms/{ours}/kick"), &told).await, "leave it away");
    }
    assert!(!format!("{:?}", there.contents().await).contains("planted"));
}

/// Two regions between which everything crosses, of which `ru` withholds names.
async fn discreet() -> Cluster {
    let withheld = |document: &str| document.replacen("code = \"ru\"\n", "code = \"ru\"\nprofiles = \"withheld\"\n", 1);
    let cells = [("eu1", "eu"), ("ru1", "ru")];
    let cluster = Cluster::with_own(&cells, "allow", withheld, |_, settings| settings).await;
    cluster.with_user("eu1", "alice").await.with_user("ru1", "bob").await.with_user("ru1", "boris").await
}

#[tokio::test(flavor = "multi_thread")]
async fn withheld_names_are_in_no_event_and_are_shown_nevertheless() {
    let cluster = discreet().await;
    let (alice, bob, boris) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"), cluster.user("ru1", "boris"));
    let room = shared(&alice, &bob).await;
    boris.put(&format!("{V3}/profile/{}/displayname", boris.id()), &json!({ "displayname": "planted B" })).await.ok();
    bob.post(&format!("{V3}/rooms/{room}/invite"), &json!({ "user_id": boris.id() })).await.ok();
    boris.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    bob.put(&format!("{V3}/profile/{}/displayname", bob.id()), &json!({ "displayname": "planted A" })).await.ok();
    // Where everything crosses, too, a name that a client writes into an event is refused.
    let membership = format!("{V3}/rooms/{room}/state/m.room.member/{}", bob.id());
    let told = json!({ "membership": "join", "displayname": "planted A" });
    refused(&bob.put(&membership, &told).await, "Names and pictures");
    let boris_here = format!("{V3}/rooms/{room}/joined_members");
    until("alice sees all three", || async {
        alice.get(&boris_here).await.json()["joined"].as_object().is_some_and(|joined| joined.len() == 3)
    })
    .await;
    // At home and elsewhere, people read them where they look.
    for by in [&alice, &bob, &boris] {
        let joined = by.get(&format!("{V3}/rooms/{room}/joined_members")).await.ok();
        assert_eq!(joined["joined"][bob.id()]["display_name"], "planted A", "{joined}");
        assert_eq!(joined["joined"][boris.id()]["display_name"], "planted B", "{joined}");
        let members = by.get(&format!("{V3}/rooms/{room}/members")).await.ok().to_string();
        assert!(members.contains("planted A") && members.contains("planted B"), "{members}");
    }
    let sync = bob.get(&format!("{V3}/sync")).await.ok()["rooms"]["join"][&room].to_string();
    assert!(sync.contains("planted A") && sync.contains("planted B"), "{sync}");
    let one = bob.get(&membership).await.ok();
    assert_eq!((&one["membership"], &one["displayname"]), (&json!("join"), &json!("planted A")), "{one}");
    // A name that changes is shown as it is now.
    bob.put(&format!("{V3}/profile/{}/displayname", bob.id()), &json!({ "displayname": "planted C" })).await.ok();
    let joined = boris.get(&format!("{V3}/rooms/{room}/joined_members")).await.ok();
    assert_eq!(joined["joined"][bob.id()]["display_name"], "planted C", "{joined}");
    say(&bob, &room, "the-end").await;
    assert!(!format!("{:?}", cluster.cell("eu1").contents().await).contains("planted"), "nothing of it is stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_stands_in_an_event_does_not_follow_where_names_are_withheld() {
    let cluster = discreet().await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    let made = bob.post(&format!("{V3}/createRoom"), &json!({ "preset": "public_chat" })).await.ok();
    let room = made["room_id"].as_str().unwrap().to_owned();
    // As long as the room is at home, it is his.
    let membership = format!("{V3}/rooms/{room}/state/m.room.member/{}", bob.id());
    bob.put(&membership, &json!({ "membership": "join", "displayname": "planted" })).await.ok();
    alice.post(&format!("{V3}/join/{room}?via=example.org"), &json!({})).await.ok();
    let joined = alice.get(&format!("{V3}/joined_rooms")).await.ok();
    assert!(joined.to_string().contains(&room), "{joined}");
    assert!(!format!("{:?}", cluster.cell("eu1").contents().await).contains("planted"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fence_is_asked_when_somebody_joins_and_about_other_servers() {
    let cells = [("eu1", "eu"), ("eu2", "eu"), ("ru1", "ru")];
    let cluster = Cluster::of_cells(&cells, "allow").await;
    let cluster = cluster.with_user("eu1", "alice").await.with_user("eu2", "anna").await.with_user("ru1", "bob").await;
    let (alice, anna, bob) = (cluster.user("eu1", "alice"), cluster.user("eu2", "anna"), cluster.user("ru1", "bob"));
    let body = json!({ "preset": "public_chat" });
    let room = alice.post(&format!("{V3}/createRoom"), &body).await.ok()["room_id"].as_str().unwrap().to_owned();
    let fence = format!("{V3}/rooms/{room}/state/domicile.fence");
    alice.put(&fence, &json!({ "regions": ["eu"] })).await.ok();
    let join = format!("{V3}/join/{room}?via=example.org");
    refused(&bob.post(&join, &json!({})).await, "own rules");
    // Another cell of the region is within it, and asks it of others, too.
    anna.post(&join, &json!({})).await.ok();
    refused(&anna.post(&format!("{V3}/rooms/{room}/invite"), &json!({ "user_id": bob.id() })).await, "own rules");
    alice.put(&fence, &json!({ "regions": ["eu", "ru"] })).await.ok();
    until("bob may come", || async { bob.post(&join, &json!({})).await.status == 200 }).await;
    // No other server is in a region.
    let cluster = Cluster::with_gateway(&["eu", "ru"], "allow", "allow").await.with_user("eu1", "alice").await;
    let settings = Settings { tells: true, ..Settings::default() };
    let there = TestServer::federating_with(settings).await.with_user("eve").await;
    let (alice, eve) = (cluster.user("eu1", "alice"), there.user("eve"));
    let fence = json!([{ "type": "domicile.fence", "state_key": "", "content": { "regions": ["eu"] } }]);
    let body = json!({ "preset": "public_chat", "initial_state": fence });
    let room = alice.post(&format!("{V3}/createRoom"), &body).await.ok()["room_id"].as_str().unwrap().to_owned();
    refused(&alice.post(&format!("{V3}/rooms/{room}/invite"), &json!({ "user_id": eve.id() })).await, "own rules");
    let (_, server) = alice.id().split_once(':').unwrap();
    let told = eve.post(&format!("{V3}/join/{room}?via={server}"), &json!({})).await;
    assert!(told.status.is_client_error(), "{}", told.json());
}
