//! Tokens: none, an unknown one, one of a session that has ended, one of an account that has ended.

use domicile_testkit::{
    operations::{self, Who},
    server::{PASSWORD, TestServer, TestUser},
};
use serde_json::json;

use super::{V3, call, outcome};

/// Sessions that have ended, each of which was used before.
async fn ended(server: &TestServer) -> Vec<(&'static str, TestUser)> {
    let mut unknown = server.user("alice");
    unknown.token = Some("unknown".to_owned());
    let logged_out = server.login("alice").await;
    logged_out.get(&format!("{V3}/account/whoami")).await.ok();
    logged_out.post(&format!("{V3}/logout"), &json!({})).await.ok();
    let removed = server.login("alice").await;
    removed.get(&format!("{V3}/account/whoami")).await.ok();
    let auth = json!({
        "type": "m.login.password", "password": PASSWORD, "identifier": { "type": "m.id.user", "user": "alice" },
    });
    let path = format!("{V3}/devices/{}", removed.device_id);
    server.user("alice").delete(&path, &json!({ "auth": auth })).await.ok();
    let deactivated = server.user("bob");
    deactivated.get(&format!("{V3}/account/whoami")).await.ok();
    let auth = json!({
        "type": "m.login.password", "password": PASSWORD, "identifier": { "type": "m.id.user", "user": "bob" },
    });
    deactivated.post(&format!("{V3}/account/deactivate"), &json!({ "auth": auth })).await.ok();
    vec![
        ("an unknown token", unknown),
        ("a session that logged out", logged_out),
        ("a device that was removed", removed),
        ("a deactivated account", deactivated),
    ]
}

#[tokio::test]
async fn nobody_comes_in_without_a_token_that_is_good() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let alice = server.user("alice");
    let room = alice.post(&format!("{V3}/createRoom"), &json!({ "preset": "public_chat" })).await.ok();
    let room = room["room_id"].as_str().unwrap();
    let sessions = ended(&server).await;
    let before = server.contents().await;
    for operation in operations::served() {
        let values = operations::values(alice.id(), &alice.device_id, room, "$event");
        let name = &operation.name;
        let without = outcome(&call(&server.anonymous(), &operation, &values).await);
        let expected = (401, "M_MISSING_TOKEN".to_owned());
        match operation.who {
            Who::Token => assert_eq!(without, expected, "{name} without a token"),
            // The specification's own answer of a server that has no OAuth 2.0.
            Who::Anybody if name == "getAuthMetadata" => assert_eq!(without, (404, "M_UNRECOGNIZED".to_owned())),
            Who::Optional | Who::Anybody => assert_ne!(without.1, "M_UNRECOGNIZED", "{name} is not served"),
        }
        if operation.who == Who::Anybody {
            assert_ne!(without, expected, "{name} asks for a token that it should not need");
            continue;
        }
        for (what, session) in &sessions {
            let told = outcome(&call(session, &operation, &values).await);
            let may_ignore = operation.who == Who::Optional && told == without && without.0 < 400;
            assert!(may_ignore || told == (401, "M_UNKNOWN_TOKEN".to_owned()), "{name} with {what}: {told:?}");
        }
        let mut in_query = operation.uri(&values);
        in_query.push_str(if in_query.contains('?') { "&" } else { "?" });
        in_query.push_str("access_token=unknown");
        if operation.who == Who::Token {
            let told = server.anonymous().send(operation.method.clone(), &in_query, "{}").await;
            assert_eq!(
                outcome(&told),
                (401, "M_UNKNOWN_TOKEN".to_owned()),
                "{name} with an unknown token in the query"
            );
        }
    }
    // Who may call `register`, `login` or the validity of a token without a session may have begun something; nothing else may be there.
    let difference = before.difference(&server.contents().await);
    let unexpected: Vec<&str> = difference.lines().filter(|line| !line.starts_with("uia_sessions:")).collect();
    assert!(unexpected.is_empty(), "{unexpected:#?}");
}

/// The list of operations that this test leaves out may name only what is served, and is to be empty.
#[test]
fn nothing_is_left_out() {
    let listed = include_str!("../../../../xtask/golden/operations-without-authorisation-test.txt");
    let listed: Vec<&str> = listed.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    assert!(listed.is_empty(), "these tests go through every operation, so these need no exception: {listed:?}");
}
