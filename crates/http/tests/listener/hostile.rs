//! Clients that mean no good, or are very slow.

use std::time::Duration;

use domicile_http::{forwarded::Proxies, listener::Bound, router};
use domicile_testkit::server::TestServer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{END, Listening, PATIENCE, VERSIONS, listen, one_answer, until_closed};

async fn scene() -> (TestServer, Listening) {
    let server = TestServer::start().await.with_user("alice").await;
    let listening = listen(&server, "127.0.0.1:0", 0o600, None, &[]).await;
    (server, listening)
}

impl Listening {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address.unwrap()).await.unwrap()
    }
}

#[tokio::test]
async fn huge_headers_are_refused() {
    let (_server, listening) = scene().await;
    let long = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "x".repeat(1_000_000));
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-Many: x\r\n".repeat(5_000));
    let path = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(1_000_000));
    for said in [long, many, path] {
        let heard = until_closed(listening.connect().await, said.as_bytes()).await;
        let status = heard.split(' ').nth(1).unwrap_or_default();
        assert!(heard.is_empty() || ["400", "414", "431"].contains(&status), "{heard}");
    }
}

#[tokio::test]
async fn what_is_no_http_ends_at_once() {
    let (_server, listening) = scene().await;
    for said in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..],
        b"hello there\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost x\r\n\r\n",
        b"POST /_matrix/client/v3/login HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /_matrix/client/v3/login HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /_matrix/client/v3/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense that is no frame of any kind",
    ] {
        let shown = String::from_utf8_lossy(said).into_owned();
        let heard = until_closed(listening.connect().await, said).await;
        assert!(!heard.contains(" 200 ") && !heard.contains(" 500 "), "{shown}: {heard}");
    }
    one_answer(&mut listening.connect().await, VERSIONS).await;
}

#[tokio::test]
async fn who_is_silent_or_slow_is_not_waited_for() {
    let (_server, listening) = scene().await;
    for said in ["", "G", "GET / HTTP/1.1\r\nHost: x\r\nX-Half", "PRI * HTTP/2.0\r\n"] {
        let begun = Instant::now();
        until_closed(listening.connect().await, said.as_bytes()).await;
        assert!(begun.elapsed() < PATIENCE * 4, "after {said:?}: {:?}", begun.elapsed());
    }
    // One byte at a time does not make it longer.
    let mut stream = listening.connect().await;
    let begun = Instant::now();
    let drip = async {
        for byte in format!("GET / HTTP/1.1\r\nHost: x\r\nX-Slow: {}\r\n\r\n", "x".repeat(500)).bytes() {
            if stream.write_all(&[byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(PATIENCE / 20).await;
        }
    };
    tokio::time::timeout(END, drip).await.unwrap();
    assert!(begun.elapsed() < PATIENCE * 4, "{:?}", begun.elapsed());
    // Nor does a connection that has been used stay for ever.
    let mut used = listening.connect().await;
    one_answer(&mut used, VERSIONS).await;
    let begun = Instant::now();
    until_closed(used, b"").await;
    assert!(begun.elapsed() < PATIENCE * 4, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_body_that_does_not_come_is_told_so() {
    let (server, listening) = scene().await;
    let head = "POST /_matrix/client/v3/login HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
    for said in [
        format!("{head}Content-Length: 1000\r\n\r\n{{\"type\""),
        format!("{head}Content-Length: 1000\r\n\r\n"),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n5\r\n{{\"typ\r\n"),
    ] {
        let begun = Instant::now();
        let heard = until_closed(listening.connect().await, said.as_bytes()).await;
        assert!(heard.starts_with("HTTP/1.1 400 ") && heard.contains("\"errcode\""), "{heard}");
        assert!(begun.elapsed() < PATIENCE * 4, "{:?}", begun.elapsed());
    }
    // A stranger's body is not waited for at all.
    let begun = Instant::now();
    let said = "PUT /_matrix/client/v3/profile/@alice:localhost/displayname HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1000\r\n\r\n";
    let heard = until_closed(listening.connect().await, said.as_bytes()).await;
    assert!(heard.starts_with("HTTP/1.1 401 ") && heard.contains("M_MISSING_TOKEN"), "{heard}");
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    // Half a body and a closed connection leave nothing behind.
    let before = server.contents().await;
    let token = server.user("alice").token.unwrap();
    let mut stream = listening.connect().await;
    let said = format!(
        "PUT /_matrix/client/v3/profile/@alice:localhost/displayname HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: 25\r\n\r\n{{\"displayname\":\"A"
    );
    stream.write_all(said.as_bytes()).await.unwrap();
    drop(stream);
    tokio::time::sleep(PATIENCE).await;
    assert_eq!(before.difference(&server.contents().await), "");
}

#[tokio::test]
async fn requests_in_a_row_are_answered_in_order() {
    let (server, listening) = scene().await;
    let token = server.user("alice").token.unwrap();
    let whoami = format!(
        "GET /_matrix/client/v3/account/whoami HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    let said = format!("{VERSIONS}GET /_matrix/client/nothing HTTP/1.1\r\nHost: x\r\n\r\n{whoami}");
    let heard = until_closed(listening.connect().await, said.as_bytes()).await;
    let statuses: Vec<&str> = heard.match_indices("HTTP/1.1 ").map(|(at, _)| &heard[at + 9..at + 12]).collect();
    assert_eq!(statuses, ["200", "404", "200"], "{heard}");
    assert!(heard.find("\"versions\"") < heard.find("M_UNRECOGNIZED"));
    assert!(heard.find("M_UNRECOGNIZED") < heard.find("@alice:localhost"));
}

#[tokio::test]
async fn who_stops_talking_still_hears_the_answer() {
    let (_server, listening) = scene().await;
    let mut stream = listening.connect().await;
    stream.write_all(VERSIONS.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut heard = String::new();
    tokio::time::timeout(END, stream.read_to_string(&mut heard)).await.unwrap().unwrap();
    assert!(heard.starts_with("HTTP/1.1 200 "), "{heard}");
}

#[tokio::test]
async fn who_says_nothing_does_not_hold_up_the_end() {
    let server = TestServer::start().await;
    let bound = Bound::bind("127.0.0.1:0", 0o600, None, Proxies::default()).await.unwrap();
    let (address, stopping) = (bound.address().unwrap(), CancellationToken::new());
    let serving = tokio::spawn(bound.serve(router::client_api(server.services.clone()), stopping.clone()));
    let mut silent = TcpStream::connect(address).await.unwrap();
    let mut answered = TcpStream::connect(address).await.unwrap();
    one_answer(&mut answered, VERSIONS).await;
    stopping.cancel();
    tokio::time::timeout(Duration::from_secs(1), serving).await.expect("it ends at once").unwrap();
    assert_eq!(silent.read(&mut [0; 1]).await.unwrap_or(0), 0);
}
