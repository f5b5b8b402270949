//! Requests to other people's servers: connections are used again, answers are bounded, addresses are judged.

#![expect(clippy::expect_used, reason = "helpers of tests, which end them")]

use std::time::Duration;

use domicile_egress::{
    Client, ClientError, ClientSettings, ConnectError, Trust,
    client::Bounds,
    push_gateway::{self, GatewayUrl, PushError},
};
use domicile_testkit::gateway::{Behaviour, FakeGateway, authority, client_settings};
use http_body_util::Full;
use serde_json::json;

const BOUNDS: Bounds = Bounds { time: Duration::from_millis(500), bytes: 1_000 };

fn client(settings: ClientSettings) -> Client {
    Client::new(&Trust::new(settings).expect("certificates"))
}

async fn ask(client: &Client, url: &str) -> Result<u16, ClientError> {
    let request = axum::http::Request::post(url).body(Full::from("{}")).expect("a request");
    client.ask(request, BOUNDS).await.map(|answer| answer.status().as_u16())
}

#[tokio::test]
async fn connections_are_used_again_by_either_protocol() {
    for gateway in [FakeGateway::start().await, FakeGateway::start_with(&[b"http/1.1"]).await] {
        let client = client(client_settings());
        for _ in 0..3 {
            assert_eq!(ask(&client, &gateway.url()).await.expect("an answer"), 200);
        }
        assert_eq!((gateway.connections(), gateway.requests()), (1, 3));
    }
}

#[tokio::test]
async fn answers_are_bounded_in_time_and_size() {
    let gateway = FakeGateway::start().await;
    let client = client(client_settings());
    gateway.behave(Behaviour::Silent);
    assert!(matches!(ask(&client, &gateway.url()).await, Err(ClientError::Slow)));
    gateway.behave(Behaviour::Says("x".repeat(1_001)));
    assert!(matches!(ask(&client, &gateway.url()).await, Err(ClientError::TooLarge(1_000))));
    gateway.behave(Behaviour::Redirects("https://example.org/".to_owned()));
    assert_eq!(ask(&client, &gateway.url()).await.expect("an answer"), 307, "it is not followed");
}

#[tokio::test]
async fn only_named_ranges_of_the_own_network_are_connected_to() {
    let gateway = FakeGateway::start().await;
    let strict = client(ClientSettings { ca_files: vec![authority()], ..ClientSettings::default() });
    for host in ["localhost", "127.0.0.1", "[::ffff:127.0.0.1]", "[::1]", "169.254.169.254", "10.0.0.1", "0.0.0.0"] {
        let answer = ask(&strict, &gateway.url_at(host)).await;
        assert!(matches!(answer, Err(ClientError::Connect(ConnectError::Refused))), "{host}: {answer:?}");
    }
    let plain = gateway.url().replace("https", "http");
    assert!(matches!(ask(&strict, &plain).await, Err(ClientError::Connect(ConnectError::NotHttps))));
    assert_eq!(gateway.connections(), 0);
    // Whoever is not vouched for, or goes by another name, is not talked to.
    let untrusting = client(ClientSettings { ca_files: Vec::new(), ..client_settings() });
    let answer = ask(&untrusting, &gateway.url()).await;
    assert!(matches!(answer, Err(ClientError::Connect(ConnectError::Tls(_)))), "{answer:?}");
    let other_name = ask(&client(client_settings()), &gateway.url_at("127.0.0.2")).await;
    assert!(matches!(other_name, Err(ClientError::Connect(_))), "{other_name:?}");
    let missing = ClientSettings { ca_files: vec!["/nowhere.pem".into()], ..ClientSettings::default() };
    assert!(Trust::new(missing).is_err());
}

#[tokio::test]
async fn a_gateway_is_told_and_its_answer_is_read() {
    let gateway = FakeGateway::start().await;
    let client = client(client_settings());
    let url = GatewayUrl::parse(&gateway.url()).expect("an address");
    let told = json!({ "devices": [] });
    assert_eq!(push_gateway::notify(&client, &url, &told).await.expect("an answer"), Vec::<String>::new());
    assert_eq!(gateway.notifications(), std::slice::from_ref(&told));
    gateway.behave(Behaviour::Rejects(vec!["a".to_owned()]));
    assert_eq!(push_gateway::notify(&client, &url, &told).await.expect("an answer"), ["a"]);
    for (behaviour, word) in [
        (Behaviour::Says("[]".to_owned()), "nonsense"),
        (Behaviour::Status(502), "status"),
        (Behaviour::Says("x".repeat(100_000)), "too_large"),
    ] {
        gateway.behave(behaviour);
        let error: PushError = push_gateway::notify(&client, &url, &told).await.expect_err("an error");
        assert_eq!(error.word(), word);
    }
}
