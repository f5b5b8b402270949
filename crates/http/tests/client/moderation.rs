//! Locked and suspended accounts over HTTP, by whom they are made so, and what an account is told of itself.

use domicile_app::evidence::access_log::What;
use domicile_testkit::server::{PASSWORD, Settings, TestServer, TestUser};
use serde_json::{Value, json};

const V3: &str = "/_matrix/client/v3";
const V1: &str = "/_matrix/client/v1";

async fn room(by: &TestUser, body: Value) -> String {
    by.post(&format!("{V3}/createRoom"), &body).await.ok()["room_id"].as_str().unwrap_or_default().to_owned()
}

async fn administered() -> TestServer {
    let mut settings = Settings::default();
    settings.config.accounts.administrators = vec!["@root:localhost".to_owned(), "@other:localhost".to_owned()];
    let server = TestServer::with_settings(settings).await.with_user("root").await.with_user("other").await;
    server.with_user("alice").await.with_user("bob").await
}

#[tokio::test]
async fn a_locked_account_can_only_log_out() {
    let server = administered().await;
    let (root, alice) = (server.user("root"), server.user("alice"));
    let second = server.login("alice").await;
    let lock = format!("{V1}/admin/lock/@alice:localhost");
    let whoami = format!("{V3}/account/whoami");
    alice.get(&whoami).await.ok();
    assert_eq!(root.put(&lock, &json!({ "locked": true })).await.ok(), json!({ "locked": true }));
    assert_eq!(root.get(&lock).await.ok(), json!({ "locked": true }));
    let alice_num = server.services.users.num(alice.user_id.as_ref().unwrap()).await.unwrap().unwrap();
    let log = server.services.access_log.of(alice_num).await.unwrap();
    let whats: Vec<What> = log.entries.iter().filter_map(|entry| entry.look.as_ref().map(|look| look.what)).collect();
    assert_eq!(whats, [What::StandingChanged, What::Standing], "the change, and the look");
    let told = alice.get(&whoami).await.fails(401, "M_USER_LOCKED");
    assert_eq!(told["soft_logout"], true);
    alice.get(&format!("{V3}/sync")).await.fails(401, "M_USER_LOCKED");
    let login = json!({
        "type": "m.login.password", "password": PASSWORD, "identifier": { "type": "m.id.user", "user": "alice" },
    });
    server.anonymous().post(&format!("{V3}/login"), &login).await.fails(401, "M_USER_LOCKED");
    second.post(&format!("{V3}/logout"), &json!({})).await.ok();
    root.put(&lock, &json!({ "locked": false })).await.ok();
    alice.get(&whoami).await.ok();
    second.get(&whoami).await.fails(401, "M_UNKNOWN_TOKEN");
}

#[tokio::test]
async fn a_suspended_account_reads_and_leaves() {
    let server = administered().await;
    let (root, alice, bob) = (server.user("root"), server.user("alice"), server.user("bob"));
    let id = room(&alice, json!({ "preset": "public_chat" })).await;
    let open = room(&bob, json!({ "preset": "public_chat" })).await;
    bob.post(&format!("{V3}/join/{id}"), &json!({})).await.ok();
    let send = |txn: &str| format!("{V3}/rooms/{id}/send/m.room.message/{txn}");
    let event = async |by: &TestUser, txn: &str| {
        let answer = by.put(&send(txn), &json!({ "body": "x" })).await.ok();
        answer["event_id"].as_str().unwrap_or_default().to_owned()
    };
    let (mine, theirs) = (event(&alice, "1").await, event(&bob, "2").await);
    let suspend = format!("{V1}/admin/suspend/@alice:localhost");
    root.put(&suspend, &json!({ "suspended": true })).await.ok();
    assert_eq!(root.get(&suspend).await.ok(), json!({ "suspended": true }));

    let no = (403, "M_USER_SUSPENDED");
    let empty = json!({});
    let bob_too = json!({ "user_id": "@bob:localhost" });
    for path in ["send/m.room.message/3", "state/m.room.name", "redact/x/1", "typing/@alice:localhost"] {
        if path.starts_with("redact") {
            let path = format!("{V3}/rooms/{id}/redact/{theirs}/1");
            alice.put(&path, &empty).await.fails(no.0, no.1);
        } else {
            let body = json!({ "typing": false, "name": "n" });
            alice.put(&format!("{V3}/rooms/{id}/{path}"), &body).await.fails(no.0, no.1);
        }
    }
    for path in ["invite", "kick", "ban", "unban"] {
        alice.post(&format!("{V3}/rooms/{id}/{path}"), &bob_too).await.fails(no.0, no.1);
    }
    for path in [format!("join/{open}"), format!("rooms/{open}/join"), format!("knock/{open}"), "createRoom".to_owned()]
    {
        alice.post(&format!("{V3}/{path}"), &empty).await.fails(no.0, no.1);
    }
    let upgrade = json!({ "new_version": "12" });
    alice.post(&format!("{V3}/rooms/{id}/upgrade"), &upgrade).await.fails(no.0, no.1);
    let name = format!("{V3}/profile/@alice:localhost/displayname");
    alice.put(&name, &json!({ "displayname": "n" })).await.fails(no.0, no.1);
    alice.delete(&name, &empty).await.fails(no.0, no.1);

    alice.get(&format!("{V3}/sync")).await.ok();
    alice.get(&format!("{V3}/rooms/{id}/messages?dir=b")).await.ok();
    alice.put(&format!("{V3}/rooms/{id}/redact/{mine}/2"), &empty).await.ok();
    let again = server.login("alice").await;
    again.put(&send("4"), &json!({ "body": "x" })).await.fails(no.0, no.1);
    again.post(&format!("{V3}/rooms/{id}/leave"), &empty).await.ok();
    root.put(&suspend, &json!({ "suspended": false })).await.ok();
    again.post(&format!("{V3}/join/{id}"), &empty).await.ok();
    alice.put(&send("5"), &json!({ "body": "x" })).await.ok();
}

#[tokio::test]
async fn only_whom_the_operator_named_moderates_accounts() {
    let server = administered().await;
    let (root, alice) = (server.user("root"), server.user("alice"));
    for (kind, key) in [("lock", "locked"), ("suspend", "suspended")] {
        let of = |user: &str| format!("{V1}/admin/{kind}/{user}");
        let body = json!({ key: true });
        server.anonymous().get(&of("@bob:localhost")).await.fails(401, "M_MISSING_TOKEN");
        server.anonymous().put(&of("@bob:localhost"), &body).await.fails(401, "M_MISSING_TOKEN");
        for user in ["@bob:localhost", "@nobody:localhost", "@a:elsewhere.example"] {
            alice.get(&of(user)).await.fails(403, "M_FORBIDDEN");
            alice.put(&of(user), &body).await.fails(403, "M_FORBIDDEN");
        }
        root.get(&of("@nobody:localhost")).await.fails(404, "M_NOT_FOUND");
        root.put(&of("@nobody:localhost"), &body).await.fails(404, "M_NOT_FOUND");
        root.put(&of("@a:elsewhere.example"), &body).await.fails(400, "M_INVALID_PARAM");
        root.put(&of("@other:localhost"), &body).await.fails(403, "M_FORBIDDEN");
        root.get(&of("@other:localhost")).await.fails(403, "M_FORBIDDEN");
        root.put(&of("@root:localhost"), &body).await.fails(403, "M_FORBIDDEN");
        assert_eq!(root.get(&of("@root:localhost")).await.ok()[key], false);
        root.put(&of("@bob:localhost"), &json!({})).await.fails(400, "M_BAD_JSON");
    }
    let capabilities = async |user: &TestUser| user.get(&format!("{V3}/capabilities")).await.ok();
    let of_root = &capabilities(&root).await["capabilities"]["m.account_moderation"];
    assert_eq!(*of_root, json!({ "suspend": true, "lock": true }));
    assert_eq!(capabilities(&alice).await["capabilities"]["m.account_moderation"], Value::Null);
}

#[tokio::test]
async fn people_are_told_of_their_own_devices_only() {
    let server = administered().await;
    let (root, alice) = (server.user("root"), server.user("alice"));
    let path = format!("{V3}/admin/whois/@alice:localhost");
    let told = alice.get(&path).await.ok();
    assert_eq!(told["user_id"], "@alice:localhost");
    let connections = &told["devices"][&alice.device_id]["sessions"][0]["connections"];
    assert_eq!(connections.as_array().map(Vec::len), Some(1), "{told}");
    root.get(&path).await.fails(403, "M_FORBIDDEN");
    server.anonymous().get(&path).await.fails(401, "M_MISSING_TOKEN");
}

#[tokio::test]
async fn a_login_token_lets_one_device_in_once() {
    let path = format!("{V1}/login/get_token");
    let off = TestServer::start().await.with_user("alice").await;
    off.user("alice").post(&path, &json!({})).await.fails(404, "M_UNRECOGNIZED");
    let with = |token: &str| json!({ "type": "m.login.token", "token": token, "initial_device_display_name": "new" });
    off.anonymous().post(&format!("{V3}/login"), &with("x")).await.fails(400, "M_UNKNOWN");

    let mut settings = Settings::default();
    settings.config.accounts.login_tokens = true;
    let server = TestServer::with_settings(settings).await.with_user("alice").await;
    let (alice, nobody) = (server.user("alice"), server.anonymous());
    let types = nobody.get(&format!("{V3}/login")).await.ok();
    assert_eq!(types["flows"][1], json!({ "type": "m.login.token", "get_login_token": true }));
    let capabilities = alice.get(&format!("{V3}/capabilities")).await.ok();
    assert_eq!(capabilities["capabilities"]["m.get_login_token"]["enabled"], true);
    nobody.post(&path, &json!({})).await.fails(401, "M_MISSING_TOKEN");
    let asked = alice.post(&path, &json!({})).await;
    assert_eq!(asked.status, 401, "the owner confirms it");
    assert_eq!(asked.json()["flows"][0]["stages"], json!(["m.login.password"]));
    let auth = json!({ "auth": {
        "type": "m.login.password", "password": PASSWORD, "identifier": { "type": "m.id.user", "user": "alice" },
    } });
    let issue = async || {
        let answer = alice.post(&path, &auth).await.ok();
        assert_eq!(answer["expires_in_ms"], 120_000);
        answer["login_token"].as_str().unwrap_or_default().to_owned()
    };
    let since = alice.get(&format!("{V3}/sync")).await.ok()["next_batch"].as_str().unwrap_or_default().to_owned();
    let first = issue().await;
    let login = format!("{V3}/login");
    let opened = nobody.post(&login, &with(&first)).await.ok();
    let device = opened["device_id"].as_str().unwrap_or_default();
    server.with_token(&opened).get(&format!("{V3}/account/whoami")).await.ok();
    nobody.post(&login, &with(&first)).await.fails(403, "M_FORBIDDEN");
    let devices = alice.get(&format!("{V3}/devices")).await.ok();
    let seen = devices["devices"].as_array().cloned().unwrap_or_default();
    assert!(seen.iter().any(|seen| seen["device_id"] == device && seen["display_name"] == "new"), "{devices}");
    let sync = alice.get(&format!("{V3}/sync?since={since}")).await.ok();
    assert_eq!(sync["device_lists"]["changed"], json!(["@alice:localhost"]), "the other devices are told");

    let (older, newer) = (issue().await, issue().await);
    nobody.post(&login, &with(&older)).await.fails(403, "M_FORBIDDEN");
    server.clock.advance(120_000);
    nobody.post(&login, &with(&newer)).await.fails(403, "M_FORBIDDEN");
    let token = TestUser::clone(&alice);
    let mut thief = token;
    thief.token = Some(issue().await);
    thief.get(&format!("{V3}/account/whoami")).await.fails(401, "M_UNKNOWN_TOKEN");
}

#[tokio::test]
async fn media_has_left_its_old_addresses() {
    let server = TestServer::start().await.with_user("alice").await;
    let (alice, nobody) = (server.user("alice"), server.anonymous());
    let old = "/_matrix/media/v3";
    for path in ["download/localhost/a", "download/localhost/a/b.png", "thumbnail/localhost/a?width=1&height=1"] {
        nobody.get(&format!("{old}/{path}")).await.fails(404, "M_NOT_FOUND");
    }
    assert!(alice.get(&format!("{old}/config")).await.ok()["m.upload.size"].is_u64());
    nobody.get(&format!("{old}/config")).await.fails(401, "M_MISSING_TOKEN");
    for path in [format!("{old}/preview_url"), format!("{V1}/media/preview_url")] {
        let path = format!("{path}?url=https%3A%2F%2Fexample.org");
        alice.get(&path).await.fails(404, "M_NOT_FOUND");
        nobody.get(&path).await.fails(401, "M_MISSING_TOKEN");
    }
}
