//! Two servers that tell each other over the network, and one of them starts again in between.

use domicile_core::clock::SECOND_MS;
use domicile_testkit::server::{Settings, TestServer, TestUser};
use serde_json::{Value, json};

use crate::{SOON, V3, room, say};

async fn federating(user: &str) -> TestServer {
    let settings = Settings { tells: true, ..Settings::default() };
    TestServer::federating_with(settings).await.with_user(user).await
}

async fn joined(user: &TestUser, room: &str) -> Value {
    user.get(&format!("{V3}/sync?timeout=0")).await.ok()["rooms"]["join"][room].clone()
}

fn bodies(room: &Value) -> Vec<String> {
    let events = room["timeline"]["events"].as_array().cloned().unwrap_or_default();
    events.iter().filter_map(|event| event["content"]["body"].as_str().map(str::to_owned)).collect()
}

/// Waits until a user's view of a room has something.
async fn sees(user: &TestUser, room: &str, has: impl Fn(&Value) -> bool) {
    let looking = async {
        while !has(&joined(user, room).await) {
            tokio::time::sleep(std::time::Duration::from_millis(30)).await;
        }
    };
    let seen = tokio::time::timeout(SOON, looking).await.is_ok();
    assert!(seen, "{} sees {}", user.id(), joined(user, room).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_people_say_and_do_comes_to_the_other_server_also_after_a_restart() {
    let (here, there) = (federating("alice").await, federating("bob").await);
    let (alice, bob) = (here.user("alice"), there.user("bob"));
    let room = room(&alice).await;
    bob.post(&format!("{V3}/join/{room}?via={}", here.name()), &json!({})).await.ok();
    say(&alice, &room, "one").await;
    sees(&bob, &room, |room| bodies(room) == ["one"]).await;
    let two = say(&bob, &room, "two").await;
    sees(&alice, &room, |room| bodies(room) == ["one", "two"]).await;

    let path = format!("{V3}/rooms/{room}/typing/{}", alice.id());
    alice.put(&path, &json!({ "typing": true, "timeout": 30_000 })).await.ok();
    alice.post(&format!("{V3}/rooms/{room}/receipt/m.read/{two}"), &json!({})).await.ok();
    let id = alice.id().to_owned();
    sees(&bob, &room, |room| room["ephemeral"].to_string().contains(&format!("[\"{id}\"]"))).await;
    // Receipts are told together after a while, which counts from when they were heard of.
    sees(&bob, &room, |room| {
        here.clock.advance(SECOND_MS);
        let receipts = room["ephemeral"].to_string();
        receipts.contains("m.receipt") && receipts.contains(&two) && receipts.contains(&id)
    })
    .await;

    // What is said while the other is away comes when it is there again.
    there.show(axum::Router::new());
    say(&alice, &room, "three").await;
    say(&alice, &room, "four").await;
    let name: &'static str = there.name().to_string().leak();
    let failed = async {
        while here.destination(name).await.failures == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, failed).await.expect("it is not reached");
    let (here, there) = (here.restart().await, there.restart().await);
    let (alice, bob) = (here.user("alice"), there.user("bob"));
    say(&bob, &room, "five").await;
    sees(&alice, &room, |room| bodies(room).contains(&"five".to_owned())).await;
    sees(&bob, &room, |room| {
        here.clock.advance(SECOND_MS);
        ["three", "four"].iter().all(|text| bodies(room).contains(&(*text).to_owned()))
    })
    .await;
}
