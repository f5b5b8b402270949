//! The network as the carrier: a signed request to the other server, and what its answers mean.

use std::sync::{
    Arc,
    atomic::{AtomicU16, Ordering},
};

use axum::{
    Json, Router,
    extract::Path,
    http::{HeaderMap, Method, StatusCode},
    routing::put,
};
use domicile_core::clock::MINUTE_MS;
use domicile_http::router::{self, Apis};
use domicile_testkit::server::{Settings, TestServer};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::{SOON, room, say};

/// A transaction as it came: id, header, body.
type Came = Arc<Mutex<Vec<(String, String, Value)>>>;

/// What a server shows that answers transactions with a status of the test's choice.
fn answering(there: &TestServer, status: &Arc<AtomicU16>, came: &Came) -> Router {
    let (status, came) = (Arc::clone(status), Arc::clone(came));
    let take = move |Path(id): Path<String>, headers: HeaderMap, Json(body): Json<Value>| {
        std::future::ready(answer(&status, &came, id, &headers, body))
    };
    Router::new()
        .route("/_matrix/federation/v1/send/{id}", put(take))
        .fallback_service(router::api(there.services.clone(), Apis::ALL))
}

fn answer(status: &AtomicU16, came: &Came, id: String, headers: &HeaderMap, body: Value) -> (StatusCode, Json<Value>) {
    let status = StatusCode::from_u16(status.load(Ordering::SeqCst)).expect("a status");
    if status == StatusCode::OK {
        let header = headers["authorization"].to_str().expect("text").to_owned();
        came.lock().push((id, header, body));
        return (status, Json(json!({ "pdus": {} })));
    }
    let told = json!({ "errcode": "M_UNKNOWN", "error": "not now", "retry_after_ms": 3 * MINUTE_MS });
    (status, Json(told))
}

async fn until(holds: impl AsyncFn() -> bool) -> bool {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, waiting).await.is_ok()
}

#[tokio::test]
async fn transactions_go_over_the_network_and_who_asks_is_heard() {
    let settings = Settings { tells: true, ..Settings::default() };
    let here = TestServer::federating_with(settings).await.with_user("alice").await;
    let there = TestServer::start_federating().await;
    let (status, came) = (Arc::new(AtomicU16::new(503)), Came::default());
    there.show(answering(&there, &status, &came));
    let (alice, name) = (here.user("alice"), there.name().to_string());
    let room = room(&alice).await;
    here.strangers(&room, &[&format!("@bob:{name}")], "join").await;
    say(&alice, &room, "one").await;
    let name: &'static str = name.leak();
    assert!(until(async || here.destination(name).await.failures == 1).await);
    let error = here.destination(name).await.last_error.expect("an error");
    assert!(error.contains("503") && error.contains("not now"), "{error}");

    // It asks us something: so it is there.
    status.store(200, Ordering::SeqCst);
    let path = format!("/_matrix/federation/v1/user/devices/{}", alice.id());
    here.anonymous().request(there.sign(&here.name(), Method::GET, &path, None)).await.ok();
    here.clock.advance(MINUTE_MS);
    assert!(until(async || !came.lock().is_empty()).await);
    let (id, header, body) = came.lock()[0].clone();
    assert!(header.starts_with("X-Matrix ") && header.contains(here.name().as_str()), "{header}");
    assert_eq!(body["origin"], here.name().as_str());
    assert!(body["origin_server_ts"].is_i64() && !id.is_empty());
    assert_eq!(body["pdus"].as_array().map(Vec::len), Some(1));
    assert_eq!((&body["pdus"][0]["content"]["body"], &body["pdus"][0]["room_id"]), (&json!("one"), &json!(room)));
    assert!(until(async || here.destination(name).await.failures == 0).await);

    // Too much to do is no failure.
    status.store(429, Ordering::SeqCst);
    say(&alice, &room, "two").await;
    assert!(until(async || here.destination(name).await.retry_ts.is_some()).await);
    assert_eq!(here.destination(name).await.failures, 0);
    status.store(200, Ordering::SeqCst);
    here.clock.advance(3 * MINUTE_MS);
    assert!(until(async || came.lock().len() == 2).await);
    assert_ne!(came.lock()[1].0, id);
}
