//! Bodies and queries that do not fit, for every operation.

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use domicile_core::limits;
use domicile_testkit::{
    operations::{self, Operation, Values, Who},
    server::{Answered, TestServer, TestUser},
};
use serde_json::{Value, json};

use super::{V3, outcome, room, say};

/// Operations without a body, or that are refused whatever they are given: what stands in it is not looked at.
fn is_bodyless(name: &str) -> bool {
    BODYLESS.contains(&name) || ["3PID", "3pid", "requestTokenTo"].iter().any(|part| name.contains(part))
}

const BODYLESS: &[&str] = &["logout", "logout_all", "joinRoomById", "forgetRoom", "requestOpenIdToken"];

/// Fields that can be left out, so that they do not stand in the body that fits.
const OPTIONAL: &[(&str, &[&str])] = &[
    (
        "createRoom",
        &[
            "preset",
            "visibility",
            "name",
            "topic",
            "room_alias_name",
            "invite",
            "invite_3pid",
            "room_version",
            "is_direct",
            "creation_content",
            "initial_state",
            "power_level_content_override",
        ],
    ),
    ("uploadKeys", &["device_keys", "one_time_keys", "fallback_keys"]),
    ("queryKeys", &["device_keys", "timeout"]),
    ("uploadCrossSigningKeys", &["master_key", "self_signing_key", "user_signing_key", "auth"]),
    ("register", &["auth", "username", "password", "device_id", "initial_device_display_name", "refresh_token"]),
    ("login", &["device_id", "initial_device_display_name", "refresh_token", "token", "user"]),
    ("setPushRule", &["conditions", "pattern"]),
    ("setReadMarker", &["m.read", "m.read.private", "m.fully_read"]),
    ("postReceipt", &["thread_id"]),
    ("defineFilter", &["room", "presence", "account_data", "event_fields", "event_format"]),
    ("deactivateAccount", &["auth", "erase", "id_server"]),
    ("changePassword", &["auth", "logout_devices"]),
    ("deleteDevice", &["auth"]),
    ("deleteDevices", &["auth"]),
    ("postPusher", &["kind", "data", "lang", "append", "profile_tag", "app_display_name"]),
    ("queryPublicRooms", &["filter", "limit", "since", "third_party_instance_id"]),
    ("ban", &["reason"]),
    ("inviteUser", &["reason"]),
    ("joinRoom", &["reason", "third_party_signed"]),
    ("redactEvent", &["reason"]),
    (
        "POST /_matrix/client/unstable/org.matrix.simplified_msc3575/sync",
        &["lists", "room_subscriptions", "extensions", "conn_id", "txn_id"],
    ),
];

/// A server with alice, and the operations that read a body.
async fn scene() -> (TestServer, Vec<Operation>) {
    let server = TestServer::start().await.with_user("alice").await.with_user("carol").await;
    let operations = operations::served().into_iter().filter(Operation::has_body).collect();
    (server, operations)
}

/// A fresh session, a fresh room, and the values with them.
async fn place(server: &TestServer, round: usize) -> (TestUser, Values) {
    let by = server.login("alice").await;
    let room = room(&by, &json!({})).await;
    let event = say(&by, &room, "something").await;
    let mut values = operations::values(by.id(), &by.device_id, &room, &event);
    values.insert("roomAlias", format!("%23place{round}:localhost"));
    (by, values)
}

async fn send(by: &TestUser, operation: &Operation, values: &Values, body: impl Into<Body>) -> Answered {
    by.send(operation.method.clone(), &operation.uri(values), body).await
}

/// Asserts that an answer is one: no failure of the server's own, and an error has its code.
#[track_caller]
fn assert_answered(answer: &Answered, shown: &str) {
    let told = outcome(answer);
    assert!(told.0 < 500, "{shown}: {told:?}");
    let asks_for_more = told.0 == 401 && answer.json()["flows"].is_array();
    assert!(answer.status.is_success() || asks_for_more || !told.1.is_empty(), "{shown}: {told:?}");
}

#[tokio::test]
async fn what_is_no_json_or_no_object_is_told_so() {
    let (server, operations) = scene().await;
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
    let bottomless = "[".repeat(200_000);
    let bodies: [(&[u8], &str); 13] = [
        (b"hello", "M_NOT_JSON"),
        (b"{", "M_NOT_JSON"),
        (b"{\"a\":}", "M_NOT_JSON"),
        (b"{} {}", "M_NOT_JSON"),
        (b"\0", "M_NOT_JSON"),
        (b"{\"a\":\"\xff\"}", "M_NOT_JSON"),
        (b"a=b&c=d", "M_NOT_JSON"),
        (bottomless.as_bytes(), "M_NOT_JSON"),
        (b"[]", "M_BAD_JSON"),
        (b"\"text\"", "M_BAD_JSON"),
        (b"17", "M_BAD_JSON"),
        (b"null", "M_BAD_JSON"),
        (deep.as_bytes(), ""),
    ];
    for (round, operation) in operations.iter().enumerate() {
        let (mut by, values) = place(&server, round).await;
        let before = server.contents().await;
        let bodyless = is_bodyless(&operation.name);
        for (body, expected) in &bodies {
            let answer = send(&by, operation, &values, body.to_vec()).await;
            let told = outcome(&answer);
            let shown = format!("{} with {:.20}", operation.name, String::from_utf8_lossy(body));
            assert_answered(&answer, &shown);
            if bodyless {
                by = server.login("alice").await;
            } else if !expected.is_empty() {
                assert!(told.0 == 400 && (told.1 == *expected || told.1 == "M_BAD_JSON"), "{shown}: {told:?}");
            }
        }
        if !bodyless {
            let difference = before.difference(&server.contents().await);
            // What is nested deeply may be a field that nobody looks at.
            let kept = difference.lines().any(|line| !line.starts_with("uia_sessions:"));
            let ignorable = send(&by, operation, &values, deep.clone()).await.status.is_success();
            assert!(!kept || ignorable, "{}: {difference}", operation.name);
        }
    }
}

#[tokio::test]
async fn fields_of_other_types_are_told_or_ignored() {
    let (server, operations) = scene().await;
    let wrong = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!("\u{0}"),
        json!("x".repeat(70_000)),
        json!([]),
        json!([[1]]),
        json!({ "a": { "b": 1 } }),
        json!({ "": null, "@alice:localhost": { "": [] } }),
        json!([{ "a": null }]),
    ];
    for (round, operation) in operations.iter().enumerate() {
        let (mut by, values) = place(&server, round).await;
        let fits = operation.body(&values);
        let optional = OPTIONAL.iter().find(|(name, _)| *name == operation.name).map_or(&[][..], |(_, fields)| *fields);
        let fields: Vec<String> = fits
            .as_object()
            .into_iter()
            .flat_map(|body| body.keys().cloned())
            .chain(optional.iter().map(|field| (*field).to_owned()))
            .collect();
        for field in fields {
            for value in &wrong {
                let mut body = fits.clone();
                body[&field] = value.clone();
                let answer = send(&by, operation, &values, body.to_string()).await;
                assert_answered(&answer, &format!("{} with {field} = {:.60}", operation.name, value.to_string()));
                if outcome(&by.get(&format!("{V3}/account/whoami")).await).0 == 401 {
                    by = server.login("alice").await;
                }
            }
        }
    }
}

#[tokio::test]
async fn fields_that_nobody_knows_and_types_of_content_do_not_matter() {
    let (server, operations) = scene().await;
    for (round, operation) in operations.iter().enumerate() {
        let (by, values) = place(&server, round).await;
        let fits = operation.body(&values);
        let expected = outcome(&send(&by, operation, &values, fits.to_string()).await);
        assert!(expected.0 < 500, "{}: {expected:?}", operation.name);

        let (by, values) = place(&server, round + 1_000).await;
        let mut more = operation.body(&values);
        more["org.example.unknown"] = json!({ "a": [1, null, "x"] });
        let told = outcome(&send(&by, operation, &values, more.to_string()).await);
        // A profile's field comes as the one property of the body; signatures come by user.
        if !["setProfileField", "uploadCrossSigningSignatures"].contains(&operation.name.as_str()) {
            assert_eq!(told, expected, "{} with an unknown field", operation.name);
        }

        let (by, values) = place(&server, round + 2_000).await;
        let fits = operation.body(&values).to_string();
        let mut request = Request::builder()
            .method(operation.method.clone())
            .uri(operation.uri(&values))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(token) = &by.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let told = outcome(&by.request(request.body(Body::from(fits)).unwrap()).await);
        assert_eq!(told, expected, "{} as a form, which is what curl says of any body", operation.name);

        let (by, values) = place(&server, round + 3_000).await;
        let answer = send(&by, operation, &values, "").await;
        assert_answered(&answer, &format!("{} without a body", operation.name));
    }
}

#[tokio::test]
async fn what_is_too_large_is_not_read() {
    let (server, operations) = scene().await;
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(limits::KEYS_BODY_BYTES));
    let (by, values) = place(&server, 0).await;
    let before = server.contents().await;
    for operation in &operations {
        let answer = send(&by, operation, &values, large.clone()).await;
        assert_eq!(outcome(&answer), (413, "M_TOO_LARGE".to_owned()), "{}", operation.name);
    }
    assert_eq!(before.difference(&server.contents().await), "");
}

#[tokio::test]
async fn queries_that_do_not_fit() {
    let (server, _) = scene().await;
    let (by, values) = place(&server, 0).await;
    let before = server.contents().await;
    let long = format!("from={}", "x".repeat(50_000));
    let queries = [
        "limit=-1",
        "limit=abc",
        "limit=0",
        "limit=999999999999999999999",
        "dir=x",
        "dir",
        "from=x",
        "from=t-1",
        "from=s-1_0",
        "from=s1",
        "from=t99999999999999999999",
        "from=s9223372036854775807_0",
        "to=x",
        "since=x",
        "since=s0_18446744073709551615",
        "since=s9223372036854775807_0",
        "timeout=-5",
        "timeout=x",
        "full_state=x",
        "filter=x",
        "filter=%7B",
        "filter=%7B%7D%7D",
        "filter=%5B%5D",
        "filter=-1",
        "filter=99999999999999999999",
        "filter=%7B%22room%22%3A1%7D",
        "filter=%7B%22room%22%3Anull%7D",
        "ts=x",
        "ts=-1",
        "ts=99999999999999999999",
        "at=x",
        "membership=x",
        "not_membership=%00",
        "%FF=%FF",
        "a=%ZZ",
        "=",
        "&&&",
        "width=-1",
        "width=0&height=0",
        "width=4294967296&height=4294967296",
        "width=x",
        "method=x",
        "animated=x",
        "version=x",
        "version=-1",
        "set_presence=x",
        "event_format=x",
        "timeout_ms=-1",
        "timeout_ms=x",
        "username=%00",
        "username=",
        "token=%00",
        &long,
    ];
    for operation in operations::served() {
        if operation.method != Method::GET {
            continue;
        }
        let uri = operation.uri(&values);
        for query in queries {
            let mark = if uri.contains('?') { '&' } else { '?' };
            let uri = format!("{uri}{mark}{query}");
            let asked = by.send(Method::GET, &uri, Body::empty());
            let answer = tokio::time::timeout(std::time::Duration::from_secs(5), asked).await;
            let answer = answer.unwrap_or_else(|_| panic!("{} waits with {query:.60}", operation.name));
            let told = outcome(&answer);
            assert!(told.0 < 500, "{} with {query:.60}: {told:?}", operation.name);
            assert!(answer.status.is_success() || !told.1.is_empty(), "{} with {query:.60}: {told:?}", operation.name);
        }
    }
    assert_eq!(before.difference(&server.contents().await), "", "reading writes nothing");
}

#[tokio::test]
async fn what_is_not_served_is_a_matrix_error() {
    let (server, _) = scene().await;
    let alice = server.user("alice");
    for path in [
        "/nothing",
        "/_matrix",
        "/_matrix/client/v3/nothing",
        "/_matrix/client/v99/sync",
        "/%00",
        "/_matrix/client/v3/rooms//send",
    ] {
        for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            let answer = alice.send(method, path, Body::empty()).await;
            assert_eq!(outcome(&answer), (404, "M_UNRECOGNIZED".to_owned()), "{path}");
        }
    }
    for operation in operations::served() {
        let values = operations::values(alice.id(), &alice.device_id, "!room:localhost", "$event");
        let answer = alice.send(Method::PATCH, &operation.uri(&values), Body::empty()).await;
        assert_eq!(outcome(&answer), (405, "M_UNRECOGNIZED".to_owned()), "{}", operation.name);
    }
    assert!(operations::served().iter().any(|operation| operation.who == Who::Anybody));
    let _: Value = alice.get(&format!("{V3}/account/whoami")).await.ok();
}
