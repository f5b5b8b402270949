//! Signed requests: who may ask, and who may not.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    body::Body,
    http::{Method, Request, header::AUTHORIZATION},
};
use domicile_app::federation::{PeerError, peers::ORDINARY};
use domicile_core::limits;
use domicile_http::{
    answer::{Answer, Reply},
    federation::extract::Peer,
    router::Endpoint as _,
};
use domicile_testkit::server::{Answered, Settings, TestServer};
use ruma::{
    TransactionId,
    api::federation::{
        query::get_custom_information::v1 as custom, transactions::send_transaction_message::v1 as send,
    },
};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};
use tower::ServiceExt as _;

const PATH: &str = "/_matrix/federation/v1/send/t1?x=%20y";

/// A server that takes transactions and tells whose they are.
async fn taking(settings: Settings) -> (TestServer, Router) {
    let server = TestServer::federating_with(settings).await;
    let router = Router::new()
        .endpoint::<send::Request, _, _>(async |request: Peer<send::Request>| -> Reply<send::Response> {
            assert_eq!(request.origin, request.body.origin);
            Ok(Answer(send::Response::new(BTreeMap::new())))
        })
        .with_state(server.services.clone());
    (server, router)
}

fn transaction(origin: &TestServer) -> Value {
    json!({ "origin": origin.name(), "origin_server_ts": 1, "pdus": [], "edus": [{ "edu_type": "x", "content": { "a": "é" } }] })
}

async fn ask(router: &Router, request: Request<Body>) -> Answered {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    Answered { status: parts.status, headers: parts.headers, bytes }
}

#[tokio::test]
async fn a_signed_request_passes_between_two_servers() {
    let here = TestServer::start_federating().await;
    let (there, router) = taking(Settings::default()).await;
    there.show(router);
    let request =
        send::Request::new(TransactionId::new(), here.name(), ruma::MilliSecondsSinceUnixEpoch(ruma::uint!(1)));
    let answer = here.services.peers.ask(&there.name(), request, ORDINARY).await.unwrap();
    assert!(answer.pdus.is_empty());
    // What the other refuses is told with its words.
    let request = custom::Request::new("x".to_owned(), BTreeMap::new());
    let error = here.services.peers.ask(&there.name(), request, ORDINARY).await.unwrap_err();
    assert!(matches!(&error, PeerError::Matrix { status: 404, .. }), "{error:?}");
}

#[tokio::test]
async fn only_what_is_signed_for_us_is_let_in() {
    let here = TestServer::start_federating().await;
    let (there, router) = taking(Settings::default()).await;
    let good = || here.sign(&there.name(), Method::PUT, PATH, Some(&transaction(&here)));
    ask(&router, good()).await.ok();
    let header = good().headers()[AUTHORIZATION].to_str().unwrap().to_owned();
    let with = |header: &str| {
        let mut request = good();
        request.headers_mut().insert(AUTHORIZATION, header.parse().unwrap());
        request
    };
    // Spaces, letters and quotes as old servers and the grammar have them.
    let loose = header.replace(',', "  , ").replace("origin=", "ORIGIN=");
    ask(&router, with(&loose)).await.ok();
    let (rest, signature) = header.split_once("sig=").unwrap();
    ask(&router, with(&format!("{}sig={signature}", rest.replace('"', "")))).await.ok();

    let mut none = good();
    none.headers_mut().remove(AUTHORIZATION);
    let mut twice = good();
    twice.headers_mut().append(AUTHORIZATION, header.parse().unwrap());
    let mut altered = transaction(&here);
    altered["edus"] = json!([]);
    let altered = good().map(|_| Body::from(altered.to_string()));
    let mut elsewhere = good();
    *elsewhere.uri_mut() = PATH.replace("t1", "t2").parse().unwrap();
    let mut method = good();
    *method.uri_mut() = PATH.replace("x=%20y", "x=%20z").parse().unwrap();
    let key_id = here.services.own_keys.current().key_id().to_owned();
    for (what, request) in [
        ("no header", none),
        ("two headers", twice),
        ("another scheme", with("Bearer abc")),
        ("nonsense", with("X-Matrix nonsense")),
        ("a parameter twice", with(&format!("{header},origin=a.example"))),
        ("no origin", with(&header.replace("origin=", "other="))),
        ("a huge header", with(&format!("{header},x={}", "y".repeat(5_000)))),
        ("another body", altered),
        ("another path", elsewhere),
        ("another query", method),
        ("a wrong signature", with(&format!("{rest}sig=AAAA"))),
        ("an unknown key", with(&header.replace(&key_id, "ed25519:other"))),
        (
            "another destination",
            here.sign("other.example".try_into().unwrap(), Method::PUT, PATH, Some(&transaction(&here))),
        ),
        ("ourselves", there.sign(&there.name(), Method::PUT, PATH, Some(&transaction(&there)))),
        ("an origin that nobody reaches", with(&header.replace(here.name().as_str(), "127.0.0.1:1"))),
    ] {
        let answer = ask(&router, request).await;
        assert_eq!((what, answer.status.as_u16()), (what, 401), "{}", String::from_utf8_lossy(&answer.bytes));
        answer.fails(401, "M_UNAUTHORIZED");
    }
    // With the right signature, what does not fit is told as it is to clients.
    let signed = |body: &str| {
        let request = here.sign(&there.name(), Method::PUT, PATH, Some(&json!({})));
        request.map(|_| Body::from(body.to_owned()))
    };
    ask(&router, here.sign(&there.name(), Method::PUT, PATH, Some(&json!({})))).await.fails(400, "M_BAD_JSON");
    ask(&router, signed("{")).await.fails(400, "M_NOT_JSON");
    ask(&router, signed(&format!("\"{}\"", "x".repeat(limits::FEDERATION_BODY_BYTES)))).await.fails(413, "M_TOO_LARGE");
}

#[tokio::test]
async fn a_request_without_destination_is_let_in_as_older_servers_send_it() {
    let here = TestServer::start_federating().await;
    let (there, router) = taking(Settings::default()).await;
    let mut request = here.sign(&there.name(), Method::PUT, PATH, Some(&transaction(&here)));
    let header = request.headers()[AUTHORIZATION].to_str().unwrap();
    let header = header.replace(&format!("destination=\"{}\",", there.name()), "");
    assert!(!header.contains("destination"), "{header}");
    request.headers_mut().insert(AUTHORIZATION, header.parse().unwrap());
    ask(&router, request).await.ok();
}

#[tokio::test]
async fn the_operator_decides_who_may_come() {
    let here = TestServer::start_federating().await;
    let mut settings = Settings::default();
    settings.config.federation.deny_servers = vec!["127.0.0.*".to_owned()];
    let (there, router) = taking(settings).await;
    ask(&router, here.sign(&there.name(), Method::PUT, PATH, Some(&transaction(&here))))
        .await
        .fails(403, "M_FORBIDDEN");
    let request = custom::Request::new("x".to_owned(), BTreeMap::new());
    let error = there.services.peers.ask(&here.name(), request, ORDINARY).await.unwrap_err();
    assert!(matches!(error, PeerError::Refused), "{error:?}");
    assert!(here.services.peers.counts().is_empty());
    // Without federation, its endpoints are unknown ones; the rest is as it was.
    let mut settings = Settings::default();
    settings.config.federation.enabled = false;
    let alone = TestServer::with_settings(settings).await;
    for path in ["/_matrix/key/v2/server", "/_matrix/federation/v1/version", "/.well-known/matrix/server"] {
        alone.anonymous().get(path).await.fails(404, "M_UNRECOGNIZED");
    }
    alone.anonymous().get("/_matrix/client/versions").await.ok();
}

#[tokio::test]
async fn one_server_has_so_many_requests_in_work() {
    let (here, other) = (TestServer::start_federating().await, TestServer::start_federating().await);
    let mut settings = Settings::default();
    settings.config.federation.requests_at_once = 2;
    let there = TestServer::federating_with(settings).await;
    let (gate, (begun, mut begins)) = (Arc::new(Semaphore::new(0)), mpsc::unbounded_channel());
    let waits = Arc::clone(&gate);
    let router = Router::new()
        .endpoint::<send::Request, _, _>(move |request: Peer<send::Request>| {
            let (waits, begun) = (Arc::clone(&waits), begun.clone());
            async move {
                begun.send(()).unwrap();
                let _turn = (waits.acquire().await.unwrap().forget(), request.turn);
                Reply::Ok(Answer(send::Response::new(BTreeMap::new())))
            }
        })
        .with_state(there.services.clone());
    let signed = |from: &TestServer| from.sign(&there.name(), Method::PUT, PATH, Some(&transaction(from)));
    let mut waiting = Vec::new();
    for from in [&here, &here, &other] {
        let (router, request) = (router.clone(), signed(from));
        waiting.push(tokio::spawn(async move { ask(&router, request).await }));
        begins.recv().await.unwrap();
    }
    let refused = ask(&router, signed(&here)).await;
    assert_eq!(refused.fails(429, "M_LIMIT_EXCEEDED")["retry_after_ms"], 1_000);
    gate.add_permits(10);
    for answer in waiting {
        answer.await.unwrap().ok();
    }
    ask(&router, signed(&here)).await.ok();
}
