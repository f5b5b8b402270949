//! What is no event: typing, receipts, presence, changes of devices.

use domicile_core::clock::MINUTE_MS;
use domicile_testkit::courier::Courier;
use serde_json::json;

use crate::{SOON, V3, edus, in_time, room, say, server};

#[tokio::test]
async fn typing_is_told_and_ends_by_itself() {
    let courier = Courier::new(9);
    let server = server(&courier).await;
    let alice = server.user("alice");
    let (shared, own) = (room(&alice).await, room(&alice).await);
    server.strangers(&shared, &["@a:a.org"], "join").await;
    for room in [&shared, &own] {
        let path = format!("{V3}/rooms/{room}/typing/@alice:localhost");
        alice.put(&path, &json!({ "typing": true, "timeout": 30_000 })).await.ok();
    }
    let typing = |courier: &Courier| edus(&courier.received("a.org"), "m.typing");
    assert!(courier.until(SOON, |courier| typing(courier).len() == 1).await);
    let told = json!({ "room_id": shared, "user_id": "@alice:localhost", "typing": true });
    assert_eq!(typing(&courier), [told]);
    server.clock.advance(MINUTE_MS);
    server.services.typing.expire();
    assert!(courier.until(SOON, |courier| typing(courier).len() == 2).await);
    assert_eq!(typing(&courier)[1]["typing"], false);
}

#[tokio::test]
async fn receipts_are_told_together_and_private_ones_are_not() {
    let courier = Courier::new(10);
    let server = server(&courier).await.with_user("bob").await.with_user("carol").await;
    let alice = server.user("alice");
    let room = room(&alice).await;
    server.strangers(&room, &["@a:a.org"], "join").await;
    let (bob, carol) = (server.user("bob"), server.user("carol"));
    for user in [&bob, &carol] {
        user.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    }
    let event = say(&alice, &room, "read-me").await;
    bob.post(&format!("{V3}/rooms/{room}/receipt/m.read/{event}"), &json!({})).await.ok();
    let main = json!({ "thread_id": "main" });
    bob.post(&format!("{V3}/rooms/{room}/receipt/m.read/{event}"), &main).await.ok();
    carol.post(&format!("{V3}/rooms/{room}/receipt/m.read.private/{event}"), &json!({})).await.ok();
    alice.post(&format!("{V3}/rooms/{room}/receipt/m.read/{event}"), &json!({})).await.ok();
    let receipts = |courier: &Courier| edus(&courier.received("a.org"), "m.receipt");
    assert!(in_time(&server, &courier, |courier| receipts(courier).len() >= 2).await);
    let told = receipts(&courier);
    let threads: Vec<_> = told.iter().map(|told| told[&room]["m.read"]["@bob:localhost"].clone()).collect();
    assert!(threads.iter().all(|told| told["event_ids"] == json!([event])), "{told:?}");
    let mut threads: Vec<_> = threads.iter().map(|told| told["data"]["thread_id"].as_str().unwrap_or("none")).collect();
    threads.sort_unstable();
    assert_eq!(threads, ["main", "none"]);
    let text = json!(told).to_string();
    assert!(!text.contains("@carol") && !text.contains("@alice"), "{text}");
}

#[tokio::test]
async fn presence_is_told_to_those_who_share_a_room() {
    let courier = Courier::new(11);
    let server = server(&courier).await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let room = room(&alice).await;
    server.strangers(&room, &["@a:a.org"], "join").await;
    for user in [&alice, &bob] {
        let body = json!({ "presence": "online", "status_msg": "here" });
        user.put(&format!("{V3}/presence/{}/status", user.id()), &body).await.ok();
    }
    server.services.presence.tick().await.unwrap();
    let presence = |courier: &Courier| edus(&courier.received("a.org"), "m.presence");
    assert!(courier.until(SOON, |courier| !presence(courier).is_empty()).await);
    let told = &presence(&courier)[0]["push"];
    assert_eq!(told.as_array().unwrap().len(), 1, "{told}");
    assert_eq!((&told[0]["user_id"], &told[0]["presence"]), (&json!("@alice:localhost"), &json!("online")));
    assert_eq!((&told[0]["status_msg"], &told[0]["currently_active"]), (&json!("here"), &json!(true)));
}

#[tokio::test]
async fn changes_of_devices_are_told_one_after_another() {
    let courier = Courier::new(12);
    let server = server(&courier).await.with_user("bob").await;
    let alice = server.user("alice");
    let room = room(&alice).await;
    server.strangers(&room, &["@a:a.org"], "join").await;
    let second = server.login("alice").await;
    server.login("bob").await;
    let updates = |courier: &Courier| edus(&courier.received("a.org"), "m.device_list_update");
    assert!(courier.until(SOON, |courier| !updates(courier).is_empty()).await);
    let added = updates(&courier).last().unwrap().clone();
    assert_eq!(added["user_id"], "@alice:localhost");
    assert_eq!((&added["device_id"], &added["deleted"]), (&json!(second.device_id), &json!(null)));
    assert!(added["prev_id"].as_array().is_some_and(|prev| prev.len() == 1), "{added}");
    assert!(added["device_display_name"].is_null(), "names of devices are their owner's");

    second.post(&format!("{V3}/logout"), &json!({})).await.ok();
    assert!(courier.until(SOON, |courier| updates(courier).len() > 1).await);
    let gone = updates(&courier).last().unwrap().clone();
    assert_eq!((&gone["device_id"], &gone["deleted"]), (&json!(second.device_id), &json!(true)));
    assert_eq!(gone["prev_id"], json!([added["stream_id"]]), "it follows on what was told before");
    let text = json!(updates(&courier)).to_string();
    assert!(!text.contains("@bob"), "{text}");

    // Who comes into a room of others is introduced.
    server.user("bob").post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    assert!(courier.until(SOON, |courier| json!(updates(courier)).to_string().contains("@bob")).await);
    let transaction = courier.received("a.org").last().unwrap().clone();
    assert_eq!(transaction.pdus.len(), 1, "with the event by which they come");
}
