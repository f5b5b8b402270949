//! What is under `{userId}` is its user's own.

use axum::http::Method;
use domicile_testkit::{
    operations::{self, Who},
    server::TestServer,
};
use serde_json::json;

use super::{V3, call, outcome};

/// Operations that name another user because they are about another user.
const ABOUT_OTHERS: [&str; 7] = [
    "getPresence",
    "reportUser",
    // These answer the server's administrators only; see `administration_is_not_for_users`.
    "getWhoIs",
    "getAdminLockUser",
    "getAdminSuspendUser",
    "setAdminLockUser",
    "setAdminSuspendUser",
];

#[tokio::test]
async fn nobody_touches_what_is_anothers() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let room = bob.post(&format!("{V3}/createRoom"), &json!({ "invite": [alice.id()] })).await.ok();
    let room = room["room_id"].as_str().unwrap();
    alice.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    let filter = bob.post(&format!("{V3}/user/{}/filter", bob.id()), &json!({})).await.ok();
    let filter = filter["filter_id"].as_str().unwrap().to_owned();
    let mut tested = Vec::new();
    let mut served = operations::served();
    // What is set can be read, and then deleted.
    served.sort_by_key(|operation| {
        [Method::PUT, Method::POST, Method::GET].iter().position(|m| *m == operation.method).unwrap_or(3)
    });
    for operation in served {
        let name = operation.name.as_str();
        if operation.who != Who::Token || !operation.has("userId") || ABOUT_OTHERS.contains(&name) {
            continue;
        }
        let mut of_bob = operations::values(bob.id(), &bob.device_id, room, "$event");
        of_bob.insert("filterId", filter.clone());
        for nobody in ["@nobody:localhost", "@bob:elsewhere.example"] {
            let mut values = of_bob.clone();
            values.insert("userId", nobody.to_owned());
            let told = outcome(&call(&alice, &operation, &values).await);
            assert!(matches!(told.0, 403 | 404), "{name} for {nobody}: {told:?}");
        }
        let before = server.contents().await;
        let told = outcome(&call(&alice, &operation, &of_bob).await);
        assert_eq!(told, (403, "M_FORBIDDEN".to_owned()), "{name} for somebody else");
        assert_eq!(before.difference(&server.contents().await), "", "{name} for somebody else");
        let own = call(&bob, &operation, &of_bob).await;
        assert!(own.status.is_success(), "{name} for oneself: {:?}", outcome(&own));
        tested.push(operation.name);
    }
    assert!(tested.len() >= 9, "{tested:?}");
}

#[tokio::test]
async fn administration_is_not_for_users() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    for operation in operations::served() {
        if !operation.path.contains("/admin/") {
            continue;
        }
        let values = operations::values(bob.id(), &bob.device_id, "!room:localhost", "$event");
        let before = server.contents().await;
        let told = outcome(&call(&alice, &operation, &values).await);
        assert_eq!(told, (403, "M_FORBIDDEN".to_owned()), "{}", operation.name);
        assert_eq!(before.difference(&server.contents().await), "", "{}", operation.name);
    }
}
