//! Registration and its user-interactive authentication.

#![expect(clippy::unwrap_used, reason = "a step of a test that fails ends the test")]

use std::collections::BTreeMap;

use domicile_app::accounts::{
    rate_limits::{Rate, RateLimitSettings},
    registration::{Policy, RegistrationMode, RegistrationSettings},
    registration_tokens::NewToken,
};
use domicile_testkit::server::{Settings, TestServer};
use serde_json::{Value, json};

const REGISTER: &str = "/_matrix/client/v3/register";

fn mode(mode: RegistrationMode) -> Settings {
    Settings { registration: RegistrationSettings { mode, ..RegistrationSettings::default() }, ..Settings::default() }
}

async fn token_server(uses: u32) -> (TestServer, String) {
    let server = TestServer::with_settings(mode(RegistrationMode::Token)).await;
    let new = NewToken { uses_allowed: Some(uses), life_ms: Some(60_000), ..NewToken::default() };
    let token = server.services.registration_tokens.add(new).await.unwrap();
    (server, token.token)
}

#[tokio::test]
async fn open_registration_takes_the_dummy_stage() {
    let server = TestServer::start().await;
    let anyone = server.anonymous();
    let asked = anyone.post(REGISTER, &json!({})).await;
    assert_eq!(asked.status, 401);
    let asked = asked.json();
    assert_eq!(asked["flows"], json!([{ "stages": ["m.login.dummy"] }]));
    assert!(asked.get("errcode").is_none(), "{asked}");
    let body = json!({
        "username": "Alice", "password": "wonderland", "refresh_token": true,
        "auth": { "type": "m.login.dummy", "session": asked["session"] },
    });
    let answer = anyone.post(REGISTER, &body).await.ok();
    assert_eq!(answer["user_id"], "@alice:localhost");
    assert!(answer["refresh_token"].is_string() && answer["expires_in_ms"].is_u64(), "{answer}");
    let whoami = server.with_token(&answer).get("/_matrix/client/v3/account/whoami").await.ok();
    assert_eq!(whoami["device_id"], answer["device_id"]);
    // The session has served.
    let again = json!({ "username": "bob", "password": "b", "auth": body["auth"] });
    assert_eq!(anyone.post(REGISTER, &again).await.fails(401, "M_UNKNOWN")["completed"], Value::Null);
    anyone.post(REGISTER, &body).await.fails(400, "M_USER_IN_USE");
}

#[tokio::test]
async fn a_token_is_counted() {
    let (server, token) = token_server(1).await;
    let anyone = server.anonymous();
    let validity = format!("/_matrix/client/v1/register/m.login.registration_token/validity?token={token}");
    assert_eq!(anyone.get(&validity).await.ok()["valid"], true);
    let wrong = json!({ "username": "eve", "password": "e", "auth": { "type": "m.login.registration_token", "token": "guess" } });
    let refused = anyone.post(REGISTER, &wrong).await.fails(401, "M_UNAUTHORIZED");
    assert_eq!(refused["flows"], json!([{ "stages": ["m.login.registration_token"] }]));
    let body = |name: &str| {
        json!({
            "username": name, "password": "p", "inhibit_login": true,
            "auth": { "type": "m.login.registration_token", "token": token, "session": null },
        })
    };
    let (carol, dave) = (body("carol"), body("dave"));
    let (first, second) = tokio::join!(anyone.post(REGISTER, &carol), anyone.post(REGISTER, &dave));
    let successes = [&first, &second].iter().filter(|answer| answer.status == 200).count();
    assert_eq!(successes, 1, "{first:?} {second:?}");
    assert_eq!(anyone.get(&validity).await.ok()["valid"], false);
    anyone.post(REGISTER, &body("frank")).await.fails(401, "M_UNAUTHORIZED");
}

#[tokio::test]
async fn a_token_ends_with_its_time_and_when_it_is_revoked() {
    let (server, token) = token_server(5).await;
    let tokens = &server.services.registration_tokens;
    assert!(tokens.is_valid(&token).await.unwrap());
    server.clock.advance(60_000);
    assert!(!tokens.is_valid(&token).await.unwrap());
    let other = tokens.add(NewToken { token: Some("mine".to_owned()), ..NewToken::default() }).await.unwrap();
    assert!(tokens.add(NewToken { token: Some("mine".to_owned()), ..NewToken::default() }).await.is_err());
    assert!(tokens.add(NewToken { token: Some("no spaces".to_owned()), ..NewToken::default() }).await.is_err());
    tokens.revoke(&other.token).await.unwrap();
    assert!(tokens.revoke(&other.token).await.is_err());
    assert_eq!(tokens.list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn terms_and_token_are_two_stages() {
    let mut settings = mode(RegistrationMode::Token);
    let translations =
        BTreeMap::from([("en".to_owned(), ("Terms".to_owned(), "https://example.org/terms".to_owned()))]);
    settings.registration.terms.insert("terms".to_owned(), Policy { version: "2".to_owned(), translations });
    let server = TestServer::with_settings(settings).await;
    let token = server.services.registration_tokens.add(NewToken::default()).await.unwrap().token;
    let anyone = server.anonymous();
    let asked = anyone.post(REGISTER, &json!({})).await.json();
    assert_eq!(asked["params"]["m.login.terms"]["policies"]["terms"]["en"]["url"], "https://example.org/terms");
    let body = |auth: Value| json!({ "username": "gina", "password": "p", "auth": auth });
    let first = body(json!({ "type": "m.login.registration_token", "token": token, "session": asked["session"] }));
    let pending = anyone.post(REGISTER, &first).await;
    assert_eq!(pending.status, 401);
    assert_eq!(pending.json()["completed"], json!(["m.login.registration_token"]), "{pending:?}");
    let dummy = body(json!({ "type": "m.login.dummy", "session": asked["session"] }));
    let refused = anyone.post(REGISTER, &dummy).await.fails(401, "M_UNRECOGNIZED");
    assert_eq!(refused["completed"], json!(["m.login.registration_token"]));
    let second = body(json!({ "type": "m.login.terms", "session": asked["session"] }));
    assert_eq!(anyone.post(REGISTER, &second).await.ok()["user_id"], "@gina:localhost");
    assert_eq!(server.services.registration_tokens.list().await.unwrap()[0].uses, 1);
}

#[tokio::test]
async fn closed_registration_and_guests_are_refused() {
    let server = TestServer::with_settings(mode(RegistrationMode::Closed)).await;
    server.anonymous().post(REGISTER, &json!({})).await.fails(403, "M_FORBIDDEN");
    let server = TestServer::start().await;
    server
        .anonymous()
        .post("/_matrix/client/v3/register?kind=guest", &json!({}))
        .await
        .fails(403, "M_GUEST_ACCESS_FORBIDDEN");
    let bridge = json!({ "type": "m.login.application_service", "username": "bridge" });
    server.anonymous().post(REGISTER, &bridge).await.fails(401, "M_UNKNOWN_TOKEN");
}

#[tokio::test]
async fn names_are_checked_before_anything_else() {
    let server = TestServer::start().await.with_user("alice").await;
    let anyone = server.anonymous();
    let available = |name: &str| format!("/_matrix/client/v3/register/available?username={name}");
    assert_eq!(anyone.get(&available("bob")).await.ok(), json!({ "available": true }));
    anyone.get(&available("alice")).await.fails(400, "M_USER_IN_USE");
    anyone.get(&available("ALICE")).await.fails(400, "M_USER_IN_USE");
    for bad in ["", "a%20b", "%C3%A9", "a:b", &"x".repeat(250)] {
        anyone.get(&available(bad)).await.fails(400, "M_INVALID_USERNAME");
    }
    anyone.get("/_matrix/client/v3/register/available").await.fails(400, "M_MISSING_PARAM");
    anyone.post(REGISTER, &json!({ "username": "a b" })).await.fails(400, "M_INVALID_USERNAME");
}

#[tokio::test]
async fn an_address_cannot_register_without_end() {
    let rate = Rate { per_second: 0.1, burst: 2 };
    let rate_limits = RateLimitSettings { registration: Some(rate), ..RateLimitSettings::default() };
    let server = TestServer::with_settings(Settings { rate_limits, ..Settings::default() }).await;
    let body = |name: &str| json!({ "username": name, "password": "p", "auth": { "type": "m.login.dummy" } });
    server.anonymous().post(REGISTER, &body("one")).await.ok();
    server.anonymous().post(REGISTER, &body("two")).await.ok();
    let refused = server.anonymous().post(REGISTER, &body("three")).await;
    assert_eq!(refused.fails(429, "M_LIMIT_EXCEEDED")["retry_after_ms"], 10_000);
    assert_eq!(refused.headers["retry-after"], "10");
}

#[tokio::test]
async fn bad_bodies_have_their_codes() {
    let server = TestServer::start().await;
    let anyone = server.anonymous();
    let post = |body: &'static str| anyone.send(http::Method::POST, REGISTER, body);
    post("{").await.fails(400, "M_NOT_JSON");
    post("[]").await.fails(400, "M_BAD_JSON");
    post("{\"username\": 3}").await.fails(400, "M_BAD_JSON");
    post("{\"auth\": \"yes\"}").await.fails(400, "M_BAD_JSON");
    post("{\"username\": \"\\ud800\"}").await.fails(400, "M_BAD_JSON");
}
