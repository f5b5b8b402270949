//! What a stolen cell, or one that moved somebody, gets of the gateway: other servers hear nobody speak but at home, and nothing of theirs goes to
//! cells that are not in the room.

use axum::http::Method;
use domicile_testkit::{
    cluster::{Cluster, Forger, Request},
    server::TestUser,
    tap::{Tap, TapRoom},
};
use ruma::OwnedEventId;
use serde_json::{Value, json};

use crate::{V3, moves, say, secret, until};

/// The deployment's gateway is the first of two cells; alice is in the first, bob and carol are in the second, and all are in a room of another
/// server's.
async fn world() -> (Cluster, Tap, TapRoom) {
    let cluster = Cluster::with_gateway(&["eu", "ru"], "allow", "allow").await;
    let cluster = cluster.with_user("eu1", "alice").await.with_user("ru1", "bob").await.with_user("ru1", "carol").await;
    let tap = Tap::start().await;
    let room = tap.room("11");
    for (cell, name) in [("eu1", "alice"), ("ru1", "bob"), ("ru1", "carol")] {
        cluster
            .user(cell, name)
            .post(&format!("{V3}/join/{}?via={}", room.room_id(), tap.name()), &json!({}))
            .await
            .ok();
    }
    (cluster, tap, room)
}

/// An event of somebody's, as their cell has it.
async fn event_of(cluster: &Cluster, cell: &str, by: &TestUser, room: &str) -> Value {
    let id = OwnedEventId::try_from(say(by, room, "real").await.as_str()).unwrap();
    let stored = cluster.cell(cell).services.sender.events().by_id(&id).await.unwrap().unwrap();
    serde_json::from_slice(stored.pdu.json()).unwrap()
}

/// Hands a transaction to the gateway as the second cell, and gives what the other server got of it.
async fn told(forger: &Forger, tap: &Tap, serial: u32, id: &str, pdus: &[Value]) -> Value {
    let path = format!(
        "/_domicile/inner/v1/gateway/ask?to={}&method=PUT&path=/_matrix/federation/v1/send/{id}&signed=true&time=10000&bytes=1000000",
        tap.name()
    );
    let before = tap.heard().len();
    let body = json!({ "origin": "example.org", "origin_server_ts": 1, "pdus": pdus, "edus": [] });
    let request = Request { origin: "ru1", serial, number: None, method: Method::POST, path: &path, body: Some(&body) };
    let (status, answer) = forger.ask(request).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    // Other transactions may go by.
    let ids: Vec<&Value> = pdus.iter().map(|pdu| &pdu["content"]).collect();
    let heard = tap.heard().into_iter().skip(before).filter(|heard| heard.path.contains("/send/"));
    let pdus = heard.flat_map(|heard| heard.body["pdus"].as_array().cloned().unwrap_or_default());
    pdus.filter(|pdu| ids.contains(&&pdu["content"])).collect()
}

fn serial(cluster: &Cluster) -> u32 {
    cluster.cell("eu1").services.users.localities().cells().unwrap().own.document().serial
}

#[tokio::test(flavor = "multi_thread")]
async fn it_takes_the_home_of_who_speaks_whomever_the_event_names_beside() {
    let (cluster, tap, room) = world().await;
    let room_id = room.room_id().to_string();
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    let like = event_of(&cluster, "ru1", &bob, &room_id).await;
    let (forger, serial) = (cluster.forger(Some("ru1"), "eu1"), serial(&cluster));
    let member = |membership: &str, about: &str, lets_in: &str| {
        let mut event = like.clone();
        event["type"] = "m.room.member".into();
        event["state_key"] = about.into();
        event["content"] = json!({ "membership": membership, "join_authorised_via_users_server": lets_in });
        event
    };
    // In alice's name, with people of the second cell beside her.
    let forged = [
        forger.event(&member("ban", "@eve:elsewhere.example", bob.id()), alice.id()),
        forger.event(&member("leave", alice.id(), bob.id()), alice.id()),
        forger.event(&member("join", alice.id(), bob.id()), alice.id()),
        forger.event(&member("invite", "@carol:example.org", bob.id()), alice.id()),
    ];
    assert_eq!(told(&forger, &tap, serial, "t1", &forged).await, json!([]));
    // What it says of its own goes out, and a join that somebody else lets in needs their home, too.
    let own = forger.event(&like, bob.id());
    let lets_in = forger.event(&member("join", bob.id(), alice.id()), bob.id());
    let passed = told(&forger, &tap, serial, "t2", &[own.clone(), lets_in]).await;
    assert_eq!(passed.as_array().unwrap().len(), 1, "{passed}");
    assert_eq!(passed[0]["content"], own["content"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_former_home_says_nothing_new_outside() {
    let (cluster, tap, room) = world().await;
    let room_id = room.room_id().to_string();
    let bob = cluster.user("ru1", "bob");
    let like = event_of(&cluster, "ru1", &bob, &room_id).await;
    moves::into(&cluster, "ru1", &bob, "eu").await;
    let (forger, serial) = (cluster.forger(Some("ru1"), "eu1"), serial(&cluster));
    let mut forged = forger.event(&like, bob.id());
    forged["content"]["ciphertext"] = "after the move".into();
    let forged = forger.event(&forged, bob.id());
    assert_eq!(told(&forger, &tap, serial, "t1", &[forged]).await, json!([]));
    // What bob had said before goes out by the same signature: his home has it.
    let passed = told(&forger, &tap, serial, "t2", std::slice::from_ref(&like)).await;
    assert_eq!(passed[0]["content"], like["content"], "{passed}");
    // And what he says now.
    let bob = moves::at(&cluster, "eu1", &bob);
    let now = say(&bob, &room_id, "from-the-new-home").await;
    until("it goes out", || async {
        tap.heard()
            .iter()
            .any(|heard| heard.path.contains("/send/") && heard.body.to_string().contains("from-the-new-home"))
    })
    .await;
    assert!(now.starts_with('$'));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_in_a_room_does_not_go_to_cells_that_only_say_nothing() {
    let cluster = Cluster::with_gateway(&["eu", "ru", "ch"], "allow", "allow").await;
    let cluster = cluster.with_user("ru1", "bob").await.with_user("ch1", "dora").await;
    let (bob, tap) = (cluster.user("ru1", "bob"), Tap::start().await);
    let room = tap.room("11");
    let room_id = room.room_id().to_string();
    bob.post(&format!("{V3}/join/{room_id}?via={}", tap.name()), &json!({})).await.ok();
    let said = |text: &str| room.event("eve", "m.room.encrypted", None, &secret(text));
    let gateway = cluster.cell("eu1");
    tap.send(gateway, "t1", &[said("one")], &[]).await.ok();
    until("bob reads it", || async { crate::read(&bob, &room_id).await.len() == 1 }).await;
    // A cell that cannot be asked is not told what is said in rooms in which others are, at once or later.
    cluster.cut_off("ch1");
    cluster.pass(60_000);
    tap.send(gateway, "t2", &[said("two")], &[]).await.ok();
    until("bob reads it", || async { crate::read(&bob, &room_id).await.len() == 2 }).await;
    assert_eq!(gateway.spooled().await, 0);
    // Nor after the gateway has started anew: it knows on disk who is there.
    let mut cluster = cluster;
    cluster.pass(60_000);
    cluster.renew("eu1").await;
    let gateway = cluster.cell("eu1");
    tap.send(gateway, "t3", &[said("three")], &[]).await.ok();
    until("bob reads it", || async {
        cluster.pass(1_000);
        crate::read(&bob, &room_id).await.len() == 3
    })
    .await;
    assert_eq!(gateway.spooled().await, 0);
}
