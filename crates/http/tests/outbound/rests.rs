//! Who was not reached is left alone, for longer and longer, also after a restart; until heard from.

use std::time::Duration;

use domicile_core::{
    clock::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS},
    ids::DestinationNum,
};
use domicile_testkit::courier::{Courier, Manner};
use ruma::server_name;

use crate::{SOON, bodies, in_time, noted, room, say, server};

/// Longer than it takes to look at who rests.
const A_WHILE: Duration = Duration::from_millis(500);

#[tokio::test]
async fn a_rest_survives_a_restart_and_ends_when_the_server_is_heard_from() {
    let courier = Courier::new(6);
    let server = server(&courier).await;
    let alice = server.user("alice");
    let room = room(&alice).await;
    server.strangers(&room, &["@a:a.org"], "join").await;
    courier.set("a.org", Manner::Refuses);
    say(&alice, &room, "one").await;
    for attempts in 1..=6 {
        assert!(courier.until(SOON, |courier| courier.attempts("a.org") == attempts).await, "attempt {attempts}");
        noted(&server, "a.org", i64::try_from(attempts).unwrap()).await;
        let row = server.destination("a.org").await;
        let rest = row.retry_ts.unwrap() - domicile_core::clock::Clock::now_ms(&*server.clock);
        let expected = (5 * SECOND_MS) << (attempts - 1);
        assert!((expected * 4 / 5..=expected * 6 / 5).contains(&rest), "{attempts}: {rest}");
        assert_eq!(row.last_error.as_deref(), Some("a.org is not there"));
        if attempts < 6 {
            server.clock.advance(rest);
        }
    }
    courier.set("a.org", Manner::Takes);
    say(&alice, &room, "two").await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(courier.attempts("a.org"), 6, "it rests");
    let server = server.restart().await;
    let alice = server.user("alice");
    say(&alice, &room, "three").await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(courier.attempts("a.org"), 6, "it still rests");

    let outbound = server.outbound.clone();
    let (behind, _) = outbound.behind(DestinationNum(0)).await.unwrap();
    let behind = behind.first().unwrap();
    assert_eq!((behind.destination.as_str(), behind.events, behind.messages, behind.failures), ("a.org", 3, 0, 6));
    outbound.heard_from(server_name!("b.org"));
    outbound.heard_from(server_name!("a.org"));
    assert!(in_time(&server, &courier, |courier| bodies(&courier.received("a.org")).len() == 3).await);
    assert_eq!(bodies(&courier.received("a.org")), ["one", "two", "three"]);
    noted(&server, "a.org", 0).await;
    let row = server.destination("a.org").await;
    assert_eq!((row.failures, row.retry_ts, row.failing_since_ts, row.last_error), (0, None, None, None));
    assert!(outbound.behind(DestinationNum(0)).await.unwrap().0.is_empty());
}

#[tokio::test]
async fn a_rest_ends_also_while_people_write_without_a_pause() {
    let courier = Courier::new(10);
    let server = server(&courier).await;
    let alice = server.user("alice");
    let room = room(&alice).await;
    server.strangers(&room, &["@a:a.org"], "join").await;
    courier.set("a.org", Manner::Refuses);
    say(&alice, &room, "first").await;
    noted(&server, "a.org", 1).await;
    courier.set("a.org", Manner::Takes);
    server.clock.advance(2 * MINUTE_MS);
    // Each message rings the bell, more often than it is looked who has rested enough.
    let mut written = 0;
    while courier.attempts("a.org") == 1 && written < 200 {
        say(&alice, &room, &format!("meanwhile-{written}")).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        written += 1;
    }
    assert!(courier.attempts("a.org") > 1, "it was not tried while {written} messages were written");
}

#[tokio::test]
async fn a_busy_server_is_left_alone_for_as_long_as_it_says() {
    let courier = Courier::new(7);
    let server = server(&courier).await;
    let alice = server.user("alice");
    let room = room(&alice).await;
    server.strangers(&room, &["@a:a.org"], "join").await;
    courier.set("a.org", Manner::Busy(3 * HOUR_MS));
    say(&alice, &room, "one").await;
    assert!(courier.until(SOON, |courier| courier.attempts("a.org") == 1).await);
    tokio::time::sleep(A_WHILE).await;
    courier.set("a.org", Manner::Takes);
    server.clock.advance(3 * HOUR_MS - MINUTE_MS);
    say(&alice, &room, "two").await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(courier.attempts("a.org"), 1);
    assert_eq!(server.destination("a.org").await.failures, 0, "that is no failure");
    assert!(in_time(&server, &courier, |courier| bodies(&courier.received("a.org")).len() == 2).await);
}

#[tokio::test]
async fn the_operator_has_a_server_tried_at_once() {
    let courier = Courier::new(8);
    let server = server(&courier).await;
    let alice = server.user("alice");
    let room = room(&alice).await;
    server.strangers(&room, &["@a:a.org"], "join").await;
    courier.set("a.org", Manner::Refuses);
    server.leave_message("a.org", "a-key").await;
    say(&alice, &room, "one").await;
    assert!(courier.until(SOON, |courier| courier.attempts("a.org") == 1).await);
    tokio::time::sleep(A_WHILE).await;
    courier.set("a.org", Manner::Takes);
    let outbound = server.outbound.clone();
    assert!(outbound.retry(&"nobody.org".parse().unwrap()).await.is_err());
    let behind = outbound.how_far(&"a.org".parse().unwrap()).await.unwrap();
    assert_eq!((behind.events, behind.messages, behind.failures), (1, 1, 1));
    outbound.retry(&"a.org".parse().unwrap()).await.unwrap();
    assert!(courier.until(SOON, |courier| bodies(&courier.received("a.org")).len() == 1).await);
    let counts = outbound.counts();
    assert_eq!(counts.by_outcome()["taken"].pdus, 1);
    assert_eq!(counts.by_outcome()["unreachable"].transactions, 1);
    assert!(counts.by_destination().is_empty(), "no names unless the operator wants them");
    server.clock.advance(DAY_MS);
}
