//! One dead server never slows another.

use std::time::Duration;

use domicile_core::clock::{Clock, SystemClock};
use domicile_testkit::{
    courier::{Courier, Manner},
    server::TestUser,
};

use crate::{bodies, room, say, server};

const SERVERS: usize = 1_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_of_a_thousand_servers_are_dead_and_the_others_have_it_within_two_seconds() {
    let courier = Courier::new(2);
    let server = server(&courier).await;
    let alice = server.user("alice");
    let room = room(&alice).await;
    let users: Vec<String> = (0..SERVERS).map(|number| format!("@u:s{number}.org")).collect();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    for chunk in users.chunks(250) {
        server.strangers(&room, chunk, "join").await;
    }
    let name = |number: usize| format!("s{number}.org");
    let all: Vec<String> = (0..SERVERS).map(name).collect();
    let told_all = told_ms(&courier, &alice, &room, &all, "zero").await;
    for number in 0..SERVERS {
        match number % 4 {
            0 => courier.set(&name(number), Manner::Refuses),
            1 => courier.set(&name(number), Manner::Silent),
            _ => {}
        }
    }
    let living: Vec<String> = (0..SERVERS).filter(|number| number % 4 > 1).map(name).collect();
    for text in ["one", "two"] {
        let took_ms = told_ms(&courier, &alice, &room, &living, text).await;
        // On a machine that has other things to do, not much longer than when all of them live.
        assert!(took_ms < (2 * told_all).max(2_000), "{text} took {took_ms} ms, and {told_all} when all lived");
    }
    for name in &living {
        assert_eq!(bodies(&courier.received(name)), ["zero", "one", "two"], "{name}");
    }
}

/// How long it takes until all of some servers have a message, in milliseconds.
async fn told_ms(courier: &Courier, by: &TestUser, room: &str, names: &[String], text: &str) -> i64 {
    let begun_ms = SystemClock.now_ms();
    say(by, room, text).await;
    let all = courier.until(Duration::from_mins(1), |courier| {
        names.iter().all(|name| bodies(&courier.received(name)).last().is_some_and(|body| body == text))
    });
    assert!(all.await, "{text}");
    SystemClock.now_ms() - begun_ms
}
