//! The tap itself, as a server sees it: what it tells is believed, how it misbehaves is survived.

use std::time::Duration;

use axum::http::Method;
use domicile_app::federation::{Bounds, PeerError, peers::ORDINARY};
use domicile_testkit::{
    server::TestServer,
    tap::{Answer, ServerSigner, Tap},
};
use ruma::api::federation::discovery::get_server_version::v1 as version;

#[tokio::test]
async fn its_requests_are_believed_by_their_signature() {
    let (tap, server) = (Tap::start().await, TestServer::start_federating().await.with_user("alice").await);
    let path = format!("/_matrix/federation/v1/user/devices/{}", server.user("alice").id());
    assert_eq!(tap.ask(&server, Method::GET, &path, None).await.ok()["devices"], serde_json::json!([]));
    let wrong = ServerSigner::from_seed(tap.name(), &[1; 32], "tap").unwrap();
    tap.ask_as(&wrong, &server, Method::GET, &path, None).await.fails(401, "M_UNAUTHORIZED");
    let unknown = ServerSigner::from_seed(tap.name(), &[99; 32], "another").unwrap();
    tap.ask_as(&unknown, &server, Method::GET, &path, None).await.fails(401, "M_UNAUTHORIZED");
    assert!(tap.heard().is_empty(), "only its keys were asked for");
}

#[tokio::test]
async fn its_answers_are_bounded_in_size_and_time_and_it_sends_nobody_elsewhere() {
    let (tap, elsewhere) = (Tap::start().await, Tap::start().await);
    let server = TestServer::start_federating().await;
    let ask = async |bounds: Bounds| {
        server.services.peers.ask_unsigned(&tap.name(), version::Request::new(), bounds).await.err()
    };
    let word = |error: Option<PeerError>| error.map_or("answered", |error| error.word());
    assert_eq!(word(ask(ORDINARY).await), "answered");
    let short = Bounds { time: Duration::from_millis(300), bytes: 1_000_000 };
    tap.script("/_matrix/federation/v1/version", |_| Answer::Trickle(vec![b' '; 100], Duration::from_millis(100)));
    assert_eq!(word(ask(short).await), "slow");
    tap.script("/_matrix/federation/v1/version", |_| Answer::Silence);
    assert_eq!(word(ask(short).await), "slow");
    tap.script("/_matrix/federation/v1/version", |_| Answer::Endless(b"{".to_vec()));
    assert_eq!(word(ask(Bounds { time: Duration::from_secs(20), ..short }).await), "too_large");
    let place = format!("https://{}/_matrix/federation/v1/version", elsewhere.name());
    tap.script("/_matrix/federation/v1/version", move |_| Answer::Redirect(place.clone()));
    assert_eq!(word(ask(ORDINARY).await), "error");
    assert!(elsewhere.heard().is_empty());
    tap.script("/_matrix/federation/v1/version", |_| Answer::Bytes(b"\xff\xfe no JSON".to_vec()));
    assert_eq!(word(ask(ORDINARY).await), "nonsense");
    tap.tell_the_truth();
    assert_eq!(word(ask(ORDINARY).await), "answered");
    assert_eq!(tap.heard().len(), 7);
}
