//! The small things of an account and of a server: tags, announcements, other services, calls, reports, and what this server does not do.

use domicile_core::config::Config;
use domicile_testkit::server::{Settings, TestServer, TestUser};
use serde_json::{Value, json};

const V3: &str = "/_matrix/client/v3";

async fn room(by: &TestUser, body: Value) -> String {
    by.post(&format!("{V3}/createRoom"), &body).await.ok()["room_id"].as_str().unwrap_or_default().to_owned()
}

async fn with_config(change: impl FnOnce(&mut Config)) -> TestServer {
    let mut settings = Settings::default();
    change(&mut settings.config);
    TestServer::with_settings(settings).await
}

#[tokio::test]
async fn tags_are_entries_of_account_data() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let id = room(&alice, json!({})).await;
    let tags = format!("{V3}/user/@alice:localhost/rooms/{id}/tags");
    assert_eq!(alice.get(&tags).await.ok(), json!({ "tags": {} }));
    alice.put(&format!("{tags}/m.favourite"), &json!({ "order": 0.25, "org.example": "x" })).await.ok();
    alice.put(&format!("{tags}/u.work%2Flife"), &json!({})).await.ok();
    let expected = json!({ "tags": { "m.favourite": { "order": 0.25, "org.example": "x" }, "u.work/life": {} } });
    assert_eq!(alice.get(&tags).await.ok(), expected);
    let data = format!("{V3}/user/@alice:localhost/rooms/{id}/account_data/m.tag");
    assert_eq!(alice.get(&data).await.ok(), expected);
    let since = alice.get(&format!("{V3}/sync")).await.ok()["next_batch"].as_str().unwrap_or_default().to_owned();
    alice.delete(&format!("{tags}/m.favourite"), &json!({})).await.ok();
    alice.delete(&format!("{tags}/m.favourite"), &json!({})).await.ok();
    let sync = alice.get(&format!("{V3}/sync?since={since}")).await.ok();
    let told = &sync["rooms"]["join"][&id]["account_data"]["events"][0];
    assert_eq!((&told["type"], &told["content"]), (&json!("m.tag"), &json!({ "tags": { "u.work/life": {} } })));

    let long = format!("{tags}/{}", "x".repeat(256));
    alice.put(&long, &json!({})).await.fails(400, "M_INVALID_PARAM");
    alice.put(&format!("{tags}/u.x"), &json!({ "order": 2 })).await.fails(400, "M_INVALID_PARAM");
    alice.put(&format!("{tags}/u.x"), &json!([])).await.fails(400, "M_BAD_JSON");
    bob.get(&tags).await.fails(403, "M_FORBIDDEN");
    bob.put(&format!("{tags}/u.x"), &json!({})).await.fails(403, "M_FORBIDDEN");
    bob.delete(&format!("{tags}/u.x"), &json!({})).await.fails(403, "M_FORBIDDEN");
    let nobody = server.anonymous();
    nobody.get(&tags).await.fails(401, "M_MISSING_TOKEN");
    nobody.put(&format!("{tags}/u.x"), &json!({})).await.fails(401, "M_MISSING_TOKEN");
    nobody.delete(&format!("{tags}/u.x"), &json!({})).await.fails(401, "M_MISSING_TOKEN");
}

#[tokio::test]
async fn two_devices_that_tag_at_once_lose_nothing() {
    let server = TestServer::start().await.with_user("alice").await;
    let alice = server.user("alice");
    let id = room(&alice, json!({})).await;
    let tags = format!("{V3}/user/@alice:localhost/rooms/{id}/tags");
    let (one, two, three) = (format!("{tags}/u.1"), format!("{tags}/u.2"), format!("{tags}/u.3"));
    let body = json!({});
    let (a, b, c) = tokio::join!(alice.put(&one, &body), alice.put(&two, &body), alice.put(&three, &body));
    let _ = (a.ok(), b.ok(), c.ok());
    assert_eq!(alice.get(&tags).await.ok()["tags"], json!({ "u.1": {}, "u.2": {}, "u.3": {} }));
}

#[tokio::test]
async fn the_server_announces_itself() {
    let silent = with_config(|config| "0.0.0.0:8008".clone_into(&mut config.listeners[0].bind)).await;
    let nobody = silent.anonymous();
    for name in ["client", "support", "policy_server"] {
        nobody.get(&format!("/.well-known/matrix/{name}")).await.fails(404, "M_NOT_FOUND");
    }
    let server = with_config(|config| {
        "https://matrix.example.org".clone_into(&mut config.server.public_url);
        config.server.support_contacts = vec!["help@example.org".to_owned(), "@help:example.org".to_owned()];
        "https://example.org/help".clone_into(&mut config.server.support_page);
    });
    let nobody = server.await.anonymous();
    let client = nobody.get("/.well-known/matrix/client").await;
    assert_eq!(client.ok(), json!({ "m.homeserver": { "base_url": "https://matrix.example.org" } }));
    let contacts = json!([
        { "role": "m.role.admin", "email_address": "help@example.org" },
        { "role": "m.role.admin", "matrix_id": "@help:example.org" },
    ]);
    let support = nobody.get("/.well-known/matrix/support").await.ok();
    assert_eq!(support, json!({ "contacts": contacts, "support_page": "https://example.org/help" }));
}

#[tokio::test]
async fn a_token_for_another_service_opens_nothing_here() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let alice = server.user("alice");
    let path = format!("{V3}/user/@alice:localhost/openid/request_token");
    let answer = alice.post(&path, &json!({})).await.ok();
    assert_eq!((&answer["token_type"], &answer["matrix_server_name"]), (&json!("Bearer"), &json!("localhost")));
    assert_eq!(answer["expires_in"], 3_600);
    let token = answer["access_token"].as_str().unwrap_or_default().to_owned();
    let tokens = &server.services.openid_tokens;
    assert_eq!(tokens.owner(&token).await.unwrap().as_deref(), alice.user_id.as_deref());
    assert_eq!(tokens.owner("another").await.unwrap(), None);
    let mut thief = alice.clone();
    thief.token = Some(token.clone());
    thief.get(&format!("{V3}/account/whoami")).await.fails(401, "M_UNKNOWN_TOKEN");
    server.clock.advance(3_600_000);
    assert_eq!(tokens.owner(&token).await.unwrap(), None, "an hour later");
    server.user("bob").post(&path, &json!({})).await.fails(403, "M_FORBIDDEN");
    server.anonymous().post(&path, &json!({})).await.fails(401, "M_MISSING_TOKEN");
}

#[tokio::test]
async fn calls_get_credentials_that_end() {
    let path = format!("{V3}/voip/turnServer");
    let none = TestServer::start().await.with_user("alice").await;
    assert_eq!(none.user("alice").get(&path).await.ok(), json!({}));
    none.anonymous().get(&path).await.fails(401, "M_MISSING_TOKEN");
    let uris = vec!["turn:turn.example.org?transport=udp".to_owned()];
    let server = with_config(|config| {
        config.turn.uris.clone_from(&uris);
        "n0t-a-secret".clone_into(&mut config.turn.secret);
    });
    let server = server.await.with_user("alice").await;
    let answer = server.user("alice").get(&path).await.ok();
    // A day after the test's clock, and HMAC-SHA1 of it as another tool computes it.
    let expected = json!({
        "username": "1780086400:@alice:localhost", "password": "HHcBXfivNNN7Vj2ry16TkTj3RLQ=", "uris": uris, "ttl": 86_400,
    });
    assert_eq!(answer, expected);
    let server = with_config(|config| {
        config.turn.uris.clone_from(&uris);
        "u".clone_into(&mut config.turn.username);
        "p".clone_into(&mut config.turn.password);
    });
    let answer = server.await.with_user("alice").await.user("alice").get(&path).await.ok();
    assert_eq!((&answer["username"], &answer["password"]), (&json!("u"), &json!("p")));
}

#[tokio::test]
async fn reports_reach_the_operator() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let id = room(&alice, json!({ "preset": "public_chat" })).await;
    let sent = format!("{V3}/rooms/{id}/send/m.room.message/1");
    let event =
        alice.put(&sent, &json!({ "body": "x" })).await.ok()["event_id"].as_str().unwrap_or_default().to_owned();
    let (of_event, of_room) = (format!("{V3}/rooms/{id}/report/{event}"), format!("{V3}/rooms/{id}/report"));
    let of_user = format!("{V3}/users/@alice:localhost/report");
    bob.post(&of_event, &json!({ "reason": "r" })).await.fails(404, "M_NOT_FOUND");
    bob.post(&of_room, &json!({ "reason": "about a room" })).await.ok();
    bob.post(&format!("{V3}/join/{id}"), &json!({})).await.ok();
    bob.post(&of_event, &json!({ "reason": "about an event", "score": -100 })).await.ok();
    bob.post(&of_event, &json!({})).await.ok();
    bob.post(&of_user, &json!({ "reason": "a\0b" })).await.ok();
    bob.post(&of_room, &json!({ "reason": "x".repeat(4_097) })).await.fails(400, "M_INVALID_PARAM");
    bob.post(&format!("{V3}/rooms/{id}/report/$none"), &json!({})).await.fails(404, "M_NOT_FOUND");
    let nowhere = format!("{V3}/rooms/!none:localhost/report");
    bob.post(&nowhere, &json!({ "reason": "r" })).await.fails(404, "M_NOT_FOUND");
    bob.post(&format!("{V3}/users/@none:localhost/report"), &json!({ "reason": "r" })).await.fails(404, "M_NOT_FOUND");
    for path in [&of_event, &of_room, &of_user] {
        server.anonymous().post(path, &json!({ "reason": "r" })).await.fails(401, "M_MISSING_TOKEN");
    }
    let reports = &server.services.reports;
    let (found, next) = reports.list(0, false).await.unwrap();
    let told: Vec<&str> = found.iter().map(|report| report.reason.as_str()).collect();
    assert_eq!((told, next), (vec!["about a room", "about an event", "", "ab"], None));
    assert!(
        found.iter().all(|report| report.reporter.as_ref().is_some_and(|bob| bob == "@bob:localhost")
            && report.resolved_ts.is_none())
    );
    reports.resolve(found[1].number).await.unwrap();
    reports.resolve(found[1].number).await.unwrap();
    assert_eq!(reports.list(0, false).await.unwrap().0.len(), 3);
    assert_eq!(reports.list(0, true).await.unwrap().0.len(), 4);
    assert!(reports.resolve(9_999).await.is_err());
    reports.delete(found[1].number).await.unwrap();
    assert_eq!(reports.list(0, true).await.unwrap().0.len(), 3);
    assert!(reports.delete(found[1].number).await.is_err());
}

#[tokio::test]
async fn what_this_server_does_not_do_is_refused_clearly() {
    let server = TestServer::start().await.with_user("alice").await;
    let (alice, nobody) = (server.user("alice"), server.anonymous());
    let third = format!("{V3}/thirdparty");
    assert_eq!(alice.get(&format!("{third}/protocols")).await.ok(), json!({}));
    assert_eq!(alice.get(&format!("{third}/location?alias=%23a:localhost")).await.ok(), json!([]));
    assert_eq!(alice.get(&format!("{third}/user?userid=@a:localhost")).await.ok(), json!([]));
    for path in ["protocol/irc", "location/irc", "user/irc?x=y"] {
        alice.get(&format!("{third}/{path}")).await.fails(404, "M_NOT_FOUND");
        nobody.get(&format!("{third}/{path}")).await.fails(401, "M_MISSING_TOKEN");
    }
    let mail = json!({ "client_secret": "s", "email": "a@example.org", "send_attempt": 1 });
    let phone = json!({ "client_secret": "s", "country": "DE", "phone_number": "1", "send_attempt": 1 });
    for (body, medium) in [(&mail, "email"), (&phone, "msisdn")] {
        let path = |of: &str| format!("{V3}/{of}/{medium}/requestToken");
        nobody.post(&path("register"), body).await.fails(403, "M_THREEPID_DENIED");
        nobody.post(&path("account/password"), body).await.fails(403, "M_THREEPID_DENIED");
        nobody.post(&path("account/3pid"), body).await.fails(400, "M_THREEPID_MEDIUM_NOT_SUPPORTED");
    }
    let add = json!({ "client_secret": "s", "sid": "1" });
    let bind = json!({ "client_secret": "s", "sid": "1", "id_server": "x", "id_access_token": "y" });
    let gone = json!({ "medium": "email", "address": "a@example.org" });
    for (path, body) in [("3pid", &add), ("3pid/add", &add), ("3pid/bind", &bind)] {
        let path = format!("{V3}/account/{path}");
        alice.post(&path, body).await.fails(403, "M_THREEPID_DENIED");
        nobody.post(&path, body).await.fails(401, "M_MISSING_TOKEN");
    }
    for path in ["delete", "unbind"] {
        let path = format!("{V3}/account/3pid/{path}");
        assert_eq!(alice.post(&path, &gone).await.ok(), json!({ "id_server_unbind_result": "no-support" }));
        nobody.post(&path, &gone).await.fails(401, "M_MISSING_TOKEN");
    }
    let sso = format!("{V3}/login/sso/redirect");
    nobody.get(&format!("{sso}?redirectUrl=https%3A%2F%2Fx.example")).await.fails(404, "M_NOT_FOUND");
    nobody.get(&format!("{sso}/idp?redirectUrl=https%3A%2F%2Fx.example")).await.fails(404, "M_NOT_FOUND");
    nobody.get("/_matrix/client/v1/auth_metadata").await.fails(404, "M_UNRECOGNIZED");
}
