//! Notices: exactly the people concerned, in their language, once, in a room that is known as the server's.

use axum::http::Method;
use domicile_testkit::server::{TestServer, TestUser};
use serde_json::{Value, json};

use super::{JURISDICTION, club, operator};

const V3: &str = "/_matrix/client/v3";

/// A club of which Bob lives in Russia and Carol in France, with an incident in `code` that has words.
async fn incident(code: Option<&str>) -> (TestServer, i64) {
    let server = club().await;
    for (name, code) in [("bob", "RU"), ("carol", "FR")] {
        server.user(name).put(JURISDICTION, &json!({ "jurisdiction": code })).await.ok();
    }
    let words = json!({ "en": "We look into it.", "ru": "Мы разбираемся." });
    let body = json!({ "kind": "unreachable", "code": code, "words": words, "who": "Ada" });
    let number = operator(&server, Method::POST, "incidents", body).await.ok()["incident"].as_i64().unwrap();
    (server, number)
}

async fn tell(server: &TestServer, number: i64, only_count: bool) -> Value {
    let path = format!("incidents/{number}/notices");
    operator(server, Method::POST, &path, json!({ "only_count": only_count })).await.ok()
}

/// Invites that somebody has.
async fn invites(user: &TestUser) -> Vec<String> {
    let sync = user.get(&format!("{V3}/sync")).await.ok();
    sync["rooms"]["invite"].as_object().map(|rooms| rooms.keys().cloned().collect()).unwrap_or_default()
}

/// Joins the only room to which somebody is invited, and gives the texts in it.
async fn read(user: &TestUser, room: &str) -> Vec<String> {
    user.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    let messages = user.get(&format!("{V3}/rooms/{room}/messages?dir=f&limit=50")).await.ok();
    let chunk = messages["chunk"].as_array().unwrap();
    let notices = chunk.iter().filter(|event| event["content"]["msgtype"] == "m.server_notice");
    notices.map(|event| event["content"]["body"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn exactly_the_people_concerned_are_told_in_their_language_and_once() {
    let (server, number) = incident(Some("RU")).await;
    let counted = tell(&server, number, true).await;
    assert_eq!((counted["audience"].as_u64(), counted["told"].as_u64()), (Some(1), Some(0)));
    assert!(invites(&server.user("bob")).await.is_empty(), "counting tells nobody");

    let told = tell(&server, number, false).await;
    assert_eq!((told["told"].as_u64(), told["failed"].as_u64()), (Some(1), Some(0)), "{told}");
    for other in ["alice", "carol"] {
        assert!(invites(&server.user(other)).await.is_empty(), "{other} is not concerned");
    }
    let bob = server.user("bob");
    let room = invites(&bob).await.pop().expect("an invite");
    let texts = read(&bob, &room).await;
    assert_eq!(texts, ["Сервис недоступен: Россия (Подтверждено)\n\nМы разбираемся."]);

    let again = tell(&server, number, false).await;
    assert_eq!((again["told"].as_u64(), again["before"].as_u64()), (Some(0), Some(1)));
    let more = json!({ "state": "resolved", "words": { "en": "It is over." }, "who": "Ada" });
    operator(&server, Method::POST, &format!("incidents/{number}/updates"), more).await.ok();
    tell(&server, number, false).await;
    let texts = read(&bob, &room).await;
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts[1].ends_with("It is over."), "{texts:?}");
    let shown = operator(&server, Method::GET, &format!("incidents/{number}"), Value::Null).await.ok();
    let told: Vec<i64> =
        shown["updates"].as_array().unwrap().iter().map(|update| update["told"].as_i64().unwrap()).collect();
    assert_eq!(told, [1, 1]);
}

#[tokio::test]
async fn a_user_of_a_member_state_is_concerned_by_what_happens_in_the_union() {
    let (server, number) = incident(Some("EU")).await;
    assert_eq!(tell(&server, number, false).await["told"], 1);
    assert_eq!(invites(&server.user("carol")).await.len(), 1);
}

#[tokio::test]
async fn the_room_is_tagged_unencrypted_read_only_and_its_invite_cannot_be_refused() {
    let (server, number) = incident(None).await;
    assert_eq!(tell(&server, number, false).await["told"], 3, "everybody but the account that writes");
    let alice = server.user("alice");
    let room = invites(&alice).await.pop().unwrap();
    let refused = alice.post(&format!("{V3}/rooms/{room}/leave"), &json!({})).await;
    refused.fails(403, "M_CANNOT_LEAVE_SERVER_NOTICE_ROOM");
    assert_eq!(read(&alice, &room).await.len(), 1);
    let tags = alice.get(&format!("{V3}/user/{}/rooms/{room}/tags", alice.id())).await.ok();
    assert!(tags["tags"]["m.server_notice"].is_object(), "{tags}");
    alice.get(&format!("{V3}/rooms/{room}/state/m.room.encryption")).await.fails(404, "M_NOT_FOUND");
    let message = json!({ "msgtype": "m.text", "body": "hello?" });
    let sent = alice.put(&format!("{V3}/rooms/{room}/send/m.room.message/1"), &message).await;
    sent.fails(403, "M_FORBIDDEN");
    // Once in it, she may leave; the next notice invites her again.
    alice.post(&format!("{V3}/rooms/{room}/leave"), &json!({})).await.ok();
    let more = json!({ "words": { "en": "More." }, "who": "Ada" });
    operator(&server, Method::POST, &format!("incidents/{number}/updates"), more).await.ok();
    assert_eq!(tell(&server, number, false).await["failed"], 0);
    assert_eq!(invites(&alice).await, [room]);
}

#[tokio::test]
async fn without_words_nobody_is_told() {
    let server = club().await;
    let body = json!({ "kind": "outage", "who": "Ada" });
    let number = operator(&server, Method::POST, "incidents", body).await.ok()["incident"].as_i64().unwrap();
    let path = format!("incidents/{number}/notices");
    operator(&server, Method::POST, &path, json!({})).await.fails(404, "M_NOT_FOUND");
}

#[tokio::test]
async fn nobody_can_sign_in_as_the_account_that_writes() {
    let (server, number) = incident(None).await;
    tell(&server, number, false).await;
    let body = json!({
        "type": "m.login.password", "password": "", "identifier": { "type": "m.id.user", "user": "notices" },
    });
    let answer = server.anonymous().post(&format!("{V3}/login"), &body).await;
    answer.fails(403, "M_FORBIDDEN");
}
