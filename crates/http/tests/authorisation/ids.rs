//! Ids that are none, or nobody's, in every place of every path.

use domicile_testkit::{
    operations::{self, Who},
    server::TestServer,
};
use serde_json::json;

use super::{V3, call, outcome};

/// What no id, name or version is; what is too long; what a path should not have.
fn hostile() -> Vec<String> {
    let mut values: Vec<String> = [
        "%00",
        "a%00b",
        "%FF%FE",
        "%2F",
        "..",
        "%2E%2E%2F%2E%2E",
        "@",
        "!",
        "$",
        "%23",
        "@:localhost",
        "!:localhost",
        "$:localhost",
        "alice",
        "localhost",
        "%0A",
        "-1",
        "99999999999999999999",
        "NaN",
        "'%20OR%201=1%20--",
        "%F0%9F%92%A9",
        "%EF%BF%BF",
    ]
    .map(str::to_owned)
    .into();
    for sigil in ["@", "!", "$", "%23", ""] {
        values.push(format!("{sigil}{}:localhost", "x".repeat(300)));
        values.push(format!("{sigil}{}", "x".repeat(20_000)));
    }
    values
}

#[tokio::test]
async fn what_is_no_id_is_an_error_and_nothing_else() {
    let server = TestServer::start().await.with_user("alice").await;
    let alice = server.user("alice");
    let room = alice.post(&format!("{V3}/createRoom"), &json!({})).await.ok();
    let room = room["room_id"].as_str().unwrap();
    for operation in operations::served().into_iter().filter(|operation| operation.who != Who::Optional) {
        let values = operations::values(alice.id(), &alice.device_id, room, "$event");
        for parameter in values.keys().copied().filter(|parameter| operation.has(parameter)) {
            // These are ids of fixed form: nothing that is none may be taken for one.
            let is_id = matches!(parameter, "userId" | "roomId" | "roomIdOrAlias" | "eventId" | "roomAlias");
            let before = if is_id { Some(server.contents().await) } else { None };
            for value in hostile() {
                let mut values = values.clone();
                values.insert(parameter, value.clone());
                let answer = call(&alice, &operation, &values).await;
                let told = outcome(&answer);
                let shown = format!("{} with {parameter}={value:.40}: {told:?}", operation.name);
                // A name that may be a server's is asked, and does not answer.
                let elsewhere = parameter == "serverName" && told == (502, "M_UNKNOWN".to_owned());
                assert!(told.0 < 500 || elsewhere, "{shown}");
                let asks_for_more = told.0 == 401 && answer.json()["flows"].is_array();
                assert!(answer.status.is_success() || asks_for_more || !told.1.is_empty(), "{shown}");
            }
            if let Some(before) = before
                && !operation.path.contains("/room_keys/")
            {
                assert_eq!(
                    before.difference(&server.contents().await),
                    "",
                    "{} with a bad {parameter}",
                    operation.name
                );
            }
        }
    }
}
