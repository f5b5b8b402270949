//! Logging in, refreshing, logging out.

#![expect(clippy::unwrap_used, reason = "a step of a test that fails ends the test")]

use domicile_app::accounts::rate_limits::{Rate, RateLimitSettings};
use domicile_testkit::server::{PASSWORD, Settings, TestServer, TestUser};
use serde_json::{Value, json};

const LOGIN: &str = "/_matrix/client/v3/login";
const WHOAMI: &str = "/_matrix/client/v3/account/whoami";
const REFRESH: &str = "/_matrix/client/v3/refresh";

fn login(user: &str, password: &str) -> Value {
    json!({ "type": "m.login.password", "identifier": { "type": "m.id.user", "user": user }, "password": password })
}

fn with_token(user: &TestUser, token: &Value) -> TestUser {
    let mut other = user.clone();
    other.token = Some(token.as_str().unwrap().to_owned());
    other
}

#[tokio::test]
async fn a_password_opens_a_session() {
    let server = TestServer::start().await.with_user("alice").await;
    let anyone = server.anonymous();
    assert_eq!(anyone.get(LOGIN).await.ok()["flows"], json!([{ "type": "m.login.password" }]));
    for name in ["alice", "Alice", "@alice:localhost"] {
        let answer = anyone.post(LOGIN, &login(name, PASSWORD)).await.ok();
        assert_eq!(server.with_token(&answer).get(WHOAMI).await.ok()["user_id"], "@alice:localhost");
        assert!(answer.get("refresh_token").is_none());
    }
    let old = json!({ "type": "m.login.password", "user": "alice", "password": PASSWORD });
    anyone.post(LOGIN, &old).await.ok();
    anyone.post(LOGIN, &login("alice", "wrong")).await.fails(403, "M_FORBIDDEN");
    anyone.post(LOGIN, &login("nobody", PASSWORD)).await.fails(403, "M_FORBIDDEN");
    anyone.post(LOGIN, &login("@alice:elsewhere.example", PASSWORD)).await.fails(403, "M_FORBIDDEN");
}

#[tokio::test]
async fn other_kinds_of_login_are_refused_by_name() {
    let server = TestServer::start().await.with_user("alice").await;
    let anyone = server.anonymous();
    anyone.post(LOGIN, &json!({ "type": "m.login.token", "token": "t" })).await.fails(400, "M_UNKNOWN");
    anyone.post(LOGIN, &json!({ "type": "com.example.magic" })).await.fails(400, "M_UNKNOWN");
    let bridge =
        json!({ "type": "m.login.application_service", "identifier": { "type": "m.id.user", "user": "alice" } });
    anyone.post(LOGIN, &bridge).await.fails(401, "M_UNKNOWN_TOKEN");
    let mail = json!({
        "type": "m.login.password", "password": PASSWORD,
        "identifier": { "type": "m.id.thirdparty", "medium": "email", "address": "a@example.org" },
    });
    anyone.post(LOGIN, &mail).await.fails(400, "M_UNKNOWN");
}

#[tokio::test]
async fn bad_bodies_have_their_codes() {
    let server = TestServer::start().await.with_user("alice").await;
    let anyone = server.anonymous();
    let post = |body: &'static str| anyone.send(http::Method::POST, LOGIN, body);
    post("no").await.fails(400, "M_NOT_JSON");
    post("{}").await.fails(400, "M_BAD_JSON");
    post("{\"type\": 1}").await.fails(400, "M_BAD_JSON");
    post("{\"type\": \"m.login.password\"}").await.fails(400, "M_BAD_JSON");
    post("{\"type\": \"m.login.password\", \"password\": \"p\"}").await.fails(400, "M_MISSING_PARAM");
    anyone.send(http::Method::POST, LOGIN, vec![b'"', 0xff, b'"']).await.fails(400, "M_NOT_JSON");
    anyone.send(http::Method::PATCH, LOGIN, "{}").await.fails(405, "M_UNRECOGNIZED");
    anyone.get("/_matrix/client/v3/nothing").await.fails(404, "M_UNRECOGNIZED");
    anyone.get(WHOAMI).await.fails(401, "M_MISSING_TOKEN");
    with_token(&anyone, &json!("nonsense")).get(WHOAMI).await.fails(401, "M_UNKNOWN_TOKEN");
}

#[tokio::test]
async fn a_refresh_token_serves_until_its_successor_is_used() {
    let server = TestServer::start().await.with_user("alice").await;
    let anyone = server.anonymous();
    let mut wanted = login("alice", PASSWORD);
    wanted["refresh_token"] = true.into();
    let first = anyone.post(LOGIN, &wanted).await.ok();
    let old = server.with_token(&first);
    old.get(WHOAMI).await.ok();
    server.clock.advance(3_600_000);
    assert_eq!(old.get(WHOAMI).await.fails(401, "M_UNKNOWN_TOKEN")["soft_logout"], true);
    // The answer of this one gets lost.
    let lost = anyone.post(REFRESH, &json!({ "refresh_token": first["refresh_token"] })).await.ok();
    let second = anyone.post(REFRESH, &json!({ "refresh_token": first["refresh_token"] })).await.ok();
    with_token(&old, &lost["access_token"]).get(WHOAMI).await.fails(401, "M_UNKNOWN_TOKEN");
    let new = with_token(&old, &second["access_token"]);
    assert_eq!(new.get(WHOAMI).await.ok()["device_id"], first["device_id"]);
    anyone.post(REFRESH, &json!({ "refresh_token": first["refresh_token"] })).await.fails(401, "M_UNKNOWN_TOKEN");
    let ended = old.get(WHOAMI).await.fails(401, "M_UNKNOWN_TOKEN");
    assert!(ended.get("soft_logout").is_none(), "{ended}");
    anyone.post(REFRESH, &json!({ "refresh_token": second["refresh_token"] })).await.ok();
}

#[tokio::test]
async fn a_session_in_memory_ends_with_its_successors_first_use() {
    let server = TestServer::start().await.with_user("alice").await;
    let mut wanted = login("alice", PASSWORD);
    wanted["refresh_token"] = true.into();
    let first = server.anonymous().post(LOGIN, &wanted).await.ok();
    let old = server.with_token(&first);
    old.get(WHOAMI).await.ok();
    let next = old.post(REFRESH, &json!({ "refresh_token": first["refresh_token"] })).await.ok();
    old.get(WHOAMI).await.ok();
    with_token(&old, &next["access_token"]).get(WHOAMI).await.ok();
    old.get(WHOAMI).await.fails(401, "M_UNKNOWN_TOKEN");
}

#[tokio::test]
async fn logging_out_ends_one_session_or_all() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let first = server.user("alice");
    let (second, third) = (server.login("alice").await, server.login("alice").await);
    second.post("/_matrix/client/v3/logout", &json!({})).await.ok();
    second.get(WHOAMI).await.fails(401, "M_UNKNOWN_TOKEN");
    first.get(WHOAMI).await.ok();
    third.post("/_matrix/client/v3/logout/all", &json!({})).await.ok();
    for ended in [first, third] {
        ended.get(WHOAMI).await.fails(401, "M_UNKNOWN_TOKEN");
    }
    server.user("bob").get(WHOAMI).await.ok();
}

#[tokio::test]
async fn the_same_device_has_one_session() {
    let server = TestServer::start().await.with_user("alice").await;
    let alice = server.user("alice");
    let mut again = login("alice", PASSWORD);
    again["device_id"] = alice.device_id.as_str().into();
    let answer = server.anonymous().post(LOGIN, &again).await.ok();
    assert_eq!(answer["device_id"], alice.device_id);
    alice.get(WHOAMI).await.fails(401, "M_UNKNOWN_TOKEN");
    server.with_token(&answer).get(WHOAMI).await.ok();
}

#[tokio::test]
async fn passwords_cannot_be_tried_without_end() {
    let rate = Rate { per_second: 0.1, burst: 3 };
    let rate_limits = RateLimitSettings { login_account: Some(rate), ..RateLimitSettings::default() };
    let server = TestServer::with_settings(Settings { rate_limits, ..Settings::default() })
        .await
        .with_user("alice")
        .await
        .with_user("bob")
        .await;
    for _ in 0..3 {
        server.anonymous().post(LOGIN, &login("alice", "guess")).await.fails(403, "M_FORBIDDEN");
    }
    server.anonymous().post(LOGIN, &login("alice", PASSWORD)).await.fails(429, "M_LIMIT_EXCEEDED");
    server.anonymous().post(LOGIN, &login("bob", PASSWORD)).await.ok();
}
