//! One dead server never slows another.

use std::time::{Duration, Instant};

use domicile_testkit::courier::{Courier, Manner};

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
    for number in 0..SERVERS {
        match number % 4 {
            0 => courier.set(&name(number), Manner::Refuses),
            1 => courier.set(&name(number), Manner::Silent),
            _ => {}
        }
    }
    let living: Vec<String> = (0..SERVERS).filter(|number| number % 4 > 1).map(name).collect();
    for text in ["one", "two"] {
        let begun = Instant::now();
        say(&alice, &room, text).await;
        let sent = begun.elapsed();
        let all = courier.until(Duration::from_secs(60), |courier| {
            living.iter().all(|name| bodies(&courier.received(name)).last().is_some_and(|body| body == text))
        });
        assert!(all.await, "{text}");
        let took = begun.elapsed();
        println!("{text}: sent within {sent:?}, with the living {} within {took:?}", living.len());
        assert!(took < Duration::from_secs(2), "{text} took {took:?}");
    }
    for name in &living {
        assert_eq!(bodies(&courier.received(name)), ["one", "two"], "{name}");
    }
}
