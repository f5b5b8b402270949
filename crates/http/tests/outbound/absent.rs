//! Who was absent for long is told the newest of each room and not everything.

use domicile_core::clock::DAY_MS;
use domicile_testkit::courier::{Courier, Manner};
use serde_json::json;

use crate::{SOON, bodies, kick, noted, room, say, server};

async fn many(alice: &domicile_testkit::server::TestUser, room: &str, count: usize) {
    for number in 0..count {
        say(alice, room, &format!("m{number}")).await;
    }
}

#[tokio::test]
async fn the_newest_of_each_room_is_told_after_a_long_absence() {
    let courier = Courier::new(3);
    let server = server(&courier).await;
    let alice = server.user("alice");
    let (busy, calm, left) = (room(&alice).await, room(&alice).await, room(&alice).await);
    for room in [&busy, &calm, &left] {
        server.strangers(room, &["@a:a.org"], "join").await;
    }
    courier.set("a.org", Manner::Refuses);
    many(&alice, &busy, 600).await;
    say(&alice, &calm, "calm").await;
    kick(&alice, &left, "@a:a.org").await;
    server.leave_message("a.org", "a-key").await;
    say(&alice, &busy, "last").await;
    noted(&server, "a.org", 1).await;
    courier.set("a.org", Manner::Takes);
    server.clock.advance(2 * DAY_MS);
    let told = courier.until(SOON, |courier| bodies(&courier.received("a.org")).contains(&"last".to_owned()));
    assert!(told.await);
    // The transaction that failed is brought again only for minutes.
    let received = courier.received("a.org");
    assert_eq!(bodies(&received), ["calm", "last"]);
    let pdus: Vec<_> = received.iter().flat_map(|transaction| &transaction.pdus).collect();
    assert_eq!(pdus.len(), 3, "{pdus:?}");
    assert!(pdus.iter().any(|pdu| pdu["state_key"] == "@a:a.org" && pdu["content"]["membership"] == "leave"));
    assert_eq!(received[0].edus.first().map(|edu| &edu["content"]["message_id"]), Some(&json!("a-key")));

    // From here on everything is told again.
    say(&alice, &busy, "and-on").await;
    say(&alice, &calm, "calm-too").await;
    assert!(courier.until(SOON, |courier| bodies(&courier.received("a.org")).len() == 4).await);
    assert_eq!(bodies(&courier.received("a.org"))[2..], ["and-on", "calm-too"]);
}

#[tokio::test]
async fn what_is_too_old_is_purged_and_the_newest_is_told_for_it() {
    let courier = Courier::new(4);
    let server = server(&courier).await;
    let alice = server.user("alice");
    let room = room(&alice).await;
    server.strangers(&room, &["@a:a.org", "@b:b.org"], "join").await;
    courier.set("a.org", Manner::Refuses);
    many(&alice, &room, 5).await;
    server.leave_message("a.org", "a-key").await;
    assert!(courier.until(SOON, |courier| bodies(&courier.received("b.org")).len() == 5).await);
    noted(&server, "a.org", 1).await;
    server.jobs.begin().await.unwrap();
    server.jobs.run_due().await.unwrap();
    assert_eq!(server.outgoing_events().await, 5, "somebody was not told, and it is not old");
    server.clock.advance(31 * DAY_MS);
    server.jobs.run_due().await.unwrap();
    assert_eq!(server.outgoing_events().await, 0);
    // It is tried again by itself after so long: what it takes then is to be the newest.
    say(&alice, &room, "fresh").await;
    courier.set("a.org", Manner::Takes);
    server.clock.advance(2 * DAY_MS);
    assert!(courier.until(SOON, |courier| !bodies(&courier.received("a.org")).is_empty()).await);
    let received = courier.received("a.org");
    assert_eq!(bodies(&received), ["fresh"]);
    assert!(received.iter().all(|transaction| transaction.edus.is_empty()), "its message to devices was given up");
}

#[tokio::test]
async fn what_a_server_finds_too_large_is_made_smaller() {
    let courier = Courier::new(5);
    let server = server(&courier).await;
    let alice = server.user("alice");
    let room = room(&alice).await;
    server.strangers(&room, &["@a:a.org"], "join").await;
    courier.set("a.org", Manner::Refuses);
    many(&alice, &room, 60).await;
    noted(&server, "a.org", 1).await;
    courier.set("a.org", Manner::AtMost(7));
    server.clock.advance(DAY_MS);
    assert!(courier.until(SOON, |courier| bodies(&courier.received("a.org")).len() == 60).await);
    let received = courier.received("a.org");
    assert!(received.iter().all(|transaction| transaction.pdus.len() <= 7));
    let expected: Vec<String> = (0..60).map(|number| format!("m{number}")).collect();
    assert_eq!(bodies(&received), expected);
}
