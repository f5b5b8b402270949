//! What was read before a change is not what anybody is shown after it.

use domicile_app::rooms::Room;
use domicile_testkit::server::{Settings, TestServer};
use ruma::OwnedEventId;
use serde_json::{Value, json};
use tokio::sync::oneshot;

const V3: &str = "/_matrix/client/v3";

#[tokio::test]
async fn what_was_redacted_does_not_come_back_with_a_read_that_began_before() {
    let server = TestServer::start().await.with_user("alice").await;
    let alice = server.user("alice");
    let room = alice.post(&format!("{V3}/createRoom"), &json!({})).await.ok()["room_id"].clone();
    let room = room.as_str().expect("a room");
    let said = json!({ "msgtype": "m.text", "body": "my address" });
    let sent = alice.put(&format!("{V3}/rooms/{room}/send/m.room.message/1"), &said).await.ok();
    let event_id: OwnedEventId = sent["event_id"].as_str().expect("an event").try_into().expect("an id");
    let events = server.services.sender.events().clone();
    let event_num = events.by_id(&event_id).await.expect("a look").expect("the event").event_num;
    // As when many others were looked at since.
    events.forget(event_num);

    let (looked, wait) = oneshot::channel();
    let (go_on, redacted) = oneshot::channel::<()>();
    let reader = server.store.clone();
    let (known, id) = (events.clone(), event_id.clone());
    let reading = tokio::spawn(async move {
        let read = reader.read(|snapshot| async move {
            snapshot.head().await?;
            looked.send(()).expect("the test waits");
            redacted.await.expect("the test goes on");
            known.load_by_id(&snapshot, &id).await
        });
        read.await
    });
    wait.await.expect("the reader looks");
    alice.put(&format!("{V3}/rooms/{room}/redact/{event_id}/2"), &json!({})).await.ok();
    // As above: whoever redacts has looked at it.
    events.forget(event_num);
    go_on.send(()).expect("the reader waits");
    let before = reading.await.expect("the reader ends").expect("a look").expect("the event");
    assert!(before.pdu.content().get().contains("my address"), "so it was when that read began");

    let now = alice.get(&format!("{V3}/rooms/{room}/event/{event_id}")).await.ok();
    assert_eq!(now["content"], json!({}), "{now}");
    assert_ne!(now["unsigned"]["redacted_because"], Value::Null);
}

#[tokio::test]
async fn a_room_is_not_kept_as_a_read_shows_it_that_began_before_the_last_message() {
    let mut settings = Settings::default();
    // No room is kept when nobody holds it any more.
    settings.config.memory.room_entries = 1;
    let server = TestServer::with_settings(settings).await.with_user("alice").await;
    let alice = server.user("alice");
    let room = alice.post(&format!("{V3}/createRoom"), &json!({})).await.ok()["room_id"].clone();
    let room = room.as_str().expect("a room");
    let rooms = server.services.sender.rooms().clone();
    let room_num = rooms.num(room.try_into().expect("an id")).await.expect("a look").expect("a copy");

    let (looked, wait) = oneshot::channel();
    let (go_on, said) = oneshot::channel::<()>();
    let (reader, known) = (server.store.clone(), rooms.clone());
    let reading = tokio::spawn(async move {
        let read = reader.read(move |snapshot| async move {
            snapshot.head().await?;
            looked.send(()).expect("the test waits");
            said.await.expect("the test goes on");
            known.load(&snapshot, room_num).await
        });
        read.await
    });
    wait.await.expect("the reader looks");
    let text = json!({ "msgtype": "m.text", "body": "hello" });
    let sent = alice.put(&format!("{V3}/rooms/{room}/send/m.room.message/1"), &text).await.ok();
    assert!(rooms.in_memory(room_num).is_none(), "somebody holds it");
    go_on.send(()).expect("the reader waits");
    let before = reading.await.expect("the reader ends").expect("the room");
    let now = rooms.by_num(room_num).await.expect("the room");
    let last = |room: &Room| room.view().recent.last().expect("an event").event_id().to_string();
    assert_ne!(last(&before), sent["event_id"], "that read shows it as it was");
    assert_eq!(last(&now), sent["event_id"]);
}

#[tokio::test]
async fn who_comes_is_counted_for_by_their_own_rules_from_the_first_message_on() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await.with_user("carol").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let made = alice.post(&format!("{V3}/createRoom"), &json!({ "preset": "public_chat" })).await.ok();
    let room = made["room_id"].as_str().expect("a room");
    server.user("carol").post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    let silent = json!({ "actions": [] });
    bob.put(&format!("{V3}/pushrules/global/underride/.m.rule.message/actions"), &silent).await.ok();
    bob.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    let said = json!({ "msgtype": "m.text", "body": "welcome" });
    alice.put(&format!("{V3}/rooms/{room}/send/m.room.message/1"), &said).await.ok();
    for (who, count) in [("bob", 0), ("carol", 1)] {
        let synced = server.user(who).get(&format!("{V3}/sync")).await.ok();
        let unread = &synced["rooms"]["join"][room]["unread_notifications"]["notification_count"];
        assert_eq!(unread, count, "{who}");
    }
}
