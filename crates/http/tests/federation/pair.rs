//! Two servers with a room in which a user of each is.

use std::time::Duration;

use domicile_http::router::{self, Apis};
use domicile_testkit::{
    identity,
    server::{Settings, TestServer, TestUser},
};
use serde_json::{Value, json};

pub(crate) const V3: &str = "/_matrix/client/v3";

/// The two of them: alice is here, bob is there.
pub(crate) struct Pair {
    pub(crate) here: TestServer,
    pub(crate) there: TestServer,
    pub(crate) alice: TestUser,
    pub(crate) bob: TestUser,
    /// The room in which both are.
    pub(crate) room: String,
}

impl Pair {
    /// What one is to tell the other, the test carries.
    pub(crate) async fn new() -> Self {
        Self::with(false).await
    }

    /// With `tells`, each tells the other by itself.
    pub(crate) async fn with(tells: bool) -> Self {
        let settings = || Settings { tells, ..Settings::default() };
        let here = TestServer::federating_with(settings()).await.with_user("alice").await;
        let there = TestServer::federating_with(settings()).await.with_user("bob").await;
        let (alice, bob) = (here.user("alice"), there.user("bob"));
        let room = room(&alice).await;
        bob.post(&format!("{V3}/join/{room}?via={}", here.name()), &json!({})).await.ok();
        Self { here, there, alice, bob, room }
    }

    /// The name of bob's server.
    pub(crate) fn far(&self) -> String {
        self.there.name().to_string()
    }

    /// Nobody reaches bob's server.
    pub(crate) fn hide(&self) {
        self.there.show(axum::Router::new().fallback(|| async { axum::http::StatusCode::BAD_GATEWAY }));
    }

    /// Everybody reaches it again.
    pub(crate) fn show(&self) {
        self.there.show(router::api(self.there.services.clone(), Apis::ALL));
    }

    /// What alice is told of bob's keys.
    pub(crate) async fn query(&self) -> Value {
        let wanted = json!({ "device_keys": { self.bob.id(): [] } });
        self.alice.post(&format!("{V3}/keys/query"), &wanted).await.ok()
    }

    /// The ids of bob's devices as alice is told them; none if his server could not be asked.
    pub(crate) async fn devices(&self) -> Option<Vec<String>> {
        let found = self.query().await;
        assert_eq!(found["failures"][self.far()].is_null(), !found["device_keys"][self.bob.id()].is_null(), "{found}");
        let devices = found["device_keys"][self.bob.id()].as_object()?;
        Some(devices.keys().cloned().collect())
    }

    /// Waits until alice is told that bob's devices changed; where she has synced to then.
    pub(crate) async fn wait_for_change(&self, since: &str) -> String {
        let mut since = since.to_owned();
        for _ in 0..20 {
            let answer = self.alice.get(&format!("{V3}/sync?timeout=1000&since={since}")).await.ok();
            since = next(&answer);
            if answer["device_lists"]["changed"].as_array().is_some_and(|users| users.contains(&self.bob.id().into())) {
                return since;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("alice was not told that bob's devices changed");
    }

    /// The version of bob's devices as his server tells it.
    pub(crate) async fn version(&self) -> i64 {
        let path = format!("/_matrix/federation/v1/user/devices/{}", self.bob.id());
        let request = self.here.sign(&self.there.name(), axum::http::Method::GET, &path, None);
        self.there.anonymous().request(request).await.ok()["stream_id"].as_i64().unwrap()
    }

    /// An update of one of bob's devices.
    pub(crate) fn update(&self, device_id: &str, stream_id: i64, prev_id: &[i64]) -> (&'static str, Value) {
        let keys = identity::device(self.bob.id(), device_id);
        let content = json!({
            "user_id": self.bob.id(), "device_id": device_id, "stream_id": stream_id, "prev_id": prev_id, "keys": keys,
        });
        ("m.device_list_update", content)
    }
}

pub(crate) async fn room(by: &TestUser) -> String {
    let made = by.post(&format!("{V3}/createRoom"), &json!({ "preset": "public_chat" })).await.ok();
    made["room_id"].as_str().unwrap().to_owned()
}

pub(crate) fn next(answer: &Value) -> String {
    answer["next_batch"].as_str().unwrap().to_owned()
}

pub(crate) async fn sync(by: &TestUser, since: &str) -> Value {
    by.get(&format!("{V3}/sync?since={since}")).await.ok()
}

pub(crate) async fn begin(by: &TestUser) -> String {
    next(&by.get(&format!("{V3}/sync")).await.ok())
}

/// Uploads a device's keys.
pub(crate) async fn upload(by: &TestUser) {
    let keys = json!({
        "device_keys": identity::device(by.id(), &by.device_id),
        "one_time_keys": { "signed_curve25519:AAAA": { "key": "once", "signatures": {} } },
    });
    by.post(&format!("{V3}/keys/upload"), &keys).await.ok();
}

/// Uploads cross-signing keys.
pub(crate) async fn cross_sign(by: &TestUser, seed: u8) -> identity::CrossSigning {
    let keys = identity::cross_signing(by.id(), seed);
    let body = json!({
        "master_key": keys.master, "self_signing_key": keys.self_signing, "user_signing_key": keys.user_signing,
    });
    by.post(&format!("{V3}/keys/device_signing/upload"), &body).await.ok();
    keys
}
