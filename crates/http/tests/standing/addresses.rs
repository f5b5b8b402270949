//! Alternative addresses: signed, served to everybody or to users by their country, named in notices, and not told when they cannot be believed.

use axum::http::Method;
use domicile_core::{
    clock::{Clock, DAY_MS},
    config::Config,
};
use domicile_testkit::server::{Settings, TestServer};
use serde_json::{Value, json};

use super::{JURISDICTION, operator};

const PUBLIC: &str = "/.well-known/domicile/addresses";
const OWN: &str = "/_domicile/client/v1/addresses";

struct World {
    server: TestServer,
    file: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

async fn world(is_public: bool) -> World {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("addresses.json");
    let mut config = Config::default();
    config.standing.addresses = file.display().to_string();
    config.standing.addresses_off_in = vec!["RU".to_owned()];
    config.standing.addresses_public = is_public;
    let server = TestServer::with_settings(Settings { config, ..Settings::default() }).await;
    let server = server.with_user("alice").await.with_user("bob").await.with_user("carol").await;
    for (name, code) in [("bob", "RU"), ("carol", "TR")] {
        server.user(name).put(JURISDICTION, &json!({ "jurisdiction": code })).await.ok();
    }
    World { server, file, _folder: folder }
}

impl World {
    async fn write(&self, address: &str, days: i64) {
        let wish = json!({ "addresses": [address], "good_for_ms": days * DAY_MS });
        let answer = operator(&self.server, Method::POST, "addresses", wish).await.ok();
        std::fs::write(&self.file, answer["document"].as_str().unwrap()).unwrap();
        self.server.admin.standing.addresses.refresh().await;
    }

    async fn alerts(&self) -> Vec<String> {
        let answer = operator(&self.server, Method::GET, "alerts", Value::Null).await.ok();
        let alerts = answer["alerts"].as_array().unwrap().iter().filter(|alert| alert["kind"] == "addresses");
        alerts.map(|alert| alert["what"].as_str().unwrap().to_owned()).collect()
    }
}

#[tokio::test]
async fn everybody_is_told_but_users_of_countries_where_it_is_off() {
    let world = world(true).await;
    let (server, nobody) = (&world.server, world.server.anonymous());
    nobody.get(PUBLIC).await.fails(404, "M_NOT_FOUND");
    world.write("https://chat.example.net", 90).await;
    let told = nobody.get(PUBLIC).await.ok();
    assert_eq!(
        (told["addresses"].clone(), told["server_name"].clone()),
        (json!(["https://chat.example.net"]), json!("localhost"))
    );
    let keys = operator(server, Method::GET, "addresses", Value::Null).await.ok();
    let key_id = keys["keys"].as_object().unwrap().keys().next().unwrap();
    assert!(told["signatures"]["localhost"][key_id].is_string(), "{told}");
    for name in ["alice", "carol"] {
        assert_eq!(server.user(name).get(OWN).await.ok(), told, "{name}");
    }
    server.user("bob").get(OWN).await.fails(404, "M_NOT_FOUND");
    nobody.get(OWN).await.fails(401, "M_MISSING_TOKEN");
    let files = operator(server, Method::GET, "status/files", Value::Null).await.ok();
    assert!(files["addresses.json"].as_str().unwrap().contains("chat.example.net"));
    assert!(world.alerts().await.is_empty());
}

#[tokio::test]
async fn what_is_not_public_is_for_users_alone() {
    let world = world(false).await;
    world.write("https://chat.example.net", 90).await;
    world.server.anonymous().get(PUBLIC).await.fails(404, "M_NOT_FOUND");
    world.server.user("carol").get(OWN).await.ok();
    let files = operator(&world.server, Method::GET, "status/files", Value::Null).await.ok();
    assert!(files["addresses.json"].is_null());
}

#[tokio::test]
async fn notices_name_them_where_they_may() {
    let world = world(true).await;
    world.write("https://chat.example.net", 90).await;
    for (name, code, is_told) in [("carol", "TR", true), ("bob", "RU", false)] {
        let body = json!({ "kind": "unreachable", "code": code, "words": { "en": "We know." }, "who": "Ada" });
        let number = operator(&world.server, Method::POST, "incidents", body).await.ok()["incident"].as_i64().unwrap();
        operator(&world.server, Method::POST, &format!("incidents/{number}/notices"), json!({})).await.ok();
        let user = world.server.user(name);
        let sync = user.get("/_matrix/client/v3/sync").await.ok();
        let room = sync["rooms"]["invite"].as_object().unwrap().keys().next().unwrap().clone();
        user.post(&format!("/_matrix/client/v3/join/{room}"), &json!({})).await.ok();
        let messages =
            user.get(&format!("/_matrix/client/v3/rooms/{room}/messages?dir=b&limit=9")).await.ok().to_string();
        assert_eq!(messages.contains("https://chat.example.net"), is_told, "{name}: {messages}");
    }
}

#[tokio::test]
async fn what_cannot_be_believed_is_not_told_and_the_operator_hears_of_it() {
    let world = world(true).await;
    world.write("https://chat.example.net", 10).await;
    assert!(world.alerts().await[0].contains("good until"), "it ends within two weeks");
    let good = std::fs::read_to_string(&world.file).unwrap();
    std::fs::write(&world.file, good.replace("chat.example.net", "evil.example.net")).unwrap();
    let addresses = &world.server.admin.standing.addresses;
    addresses.refresh().await;
    world.server.anonymous().get(PUBLIC).await.fails(404, "M_NOT_FOUND");
    assert!(world.alerts().await[0].contains("signed it"), "{:?}", world.alerts().await);

    world.server.clock.advance(1_000);
    world.write("https://other.example.net", 90).await;
    std::fs::write(&world.file, &good).unwrap();
    addresses.refresh().await;
    let told = world.server.anonymous().get(PUBLIC).await.ok();
    assert_eq!(told["addresses"][0], "https://other.example.net", "an earlier document does not replace a later one");
    assert!(world.alerts().await[0].contains("earlier"), "{:?}", world.alerts().await);

    world.server.clock.advance(91 * DAY_MS);
    assert!(world.server.clock.now_ms() > 0);
    world.server.anonymous().get(PUBLIC).await.fails(404, "M_NOT_FOUND");
    std::fs::remove_file(&world.file).unwrap();
    addresses.refresh().await;
    assert!(world.alerts().await[0].contains("not told"), "{:?}", world.alerts().await);
}

#[tokio::test]
async fn what_the_operator_wants_to_say_is_checked() {
    let world = world(true).await;
    for bad in [json!([]), json!(["http://chat.example.net"]), json!(["x"])] {
        let wish = json!({ "addresses": bad, "good_for_ms": DAY_MS });
        operator(&world.server, Method::POST, "addresses", wish).await.fails(400, "M_INVALID_PARAM");
    }
    let wish = json!({ "addresses": ["https://a.example"], "good_for_ms": 0 });
    operator(&world.server, Method::POST, "addresses", wish).await.fails(400, "M_INVALID_PARAM");
}
