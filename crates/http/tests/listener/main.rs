//! Listening on real sockets: what is slow, silent, huge or malformed ends in time; who a request comes from; certificates that change.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test whose helper fails has failed")]

mod hanging_up;
mod hostile;
mod peers;
mod tls;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use domicile_http::{
    forwarded::Proxies,
    listener::{Bound, Certificate, Patience},
    metrics::Metrics,
    observe::observed,
    router,
};
use domicile_testkit::server::TestServer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

/// How long clients may take in these tests.
const PATIENCE: Duration = Duration::from_millis(400);
/// How long anything may take before a test fails.
const END: Duration = Duration::from_secs(5);
const VERSIONS: &str = "GET /_matrix/client/versions HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A listener that serves until it is dropped.
struct Listening {
    address: Option<SocketAddr>,
    stopping: CancellationToken,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

async fn listen(
    server: &TestServer,
    bind: &str,
    mode: u32,
    certificate: Option<Arc<Certificate>>,
    proxies: &[&str],
) -> Listening {
    let proxies = Proxies::parse(proxies).unwrap();
    let patience = Patience { handshake: PATIENCE, headers: PATIENCE, body: PATIENCE };
    let bound = Bound::bind(bind, mode, certificate, proxies).await.unwrap().with_patience(patience);
    let (address, stopping) = (bound.address(), CancellationToken::new());
    let router = observed(router::client_api(server.services.clone()), Arc::new(Metrics::default()));
    tokio::spawn(bound.serve(router, stopping.clone()));
    Listening { address, stopping }
}

/// Says something and hears everything until the server closes.
async fn until_closed(mut stream: impl AsyncRead + AsyncWrite + Unpin, said: &[u8]) -> String {
    // A server that has heard enough may close before all is said.
    let _all_or_not = stream.write_all(said).await;
    let mut heard = Vec::new();
    let ended = tokio::time::timeout(END, stream.read_to_end(&mut heard)).await;
    assert!(ended.is_ok(), "the connection is still open; heard: {}", String::from_utf8_lossy(&heard));
    String::from_utf8_lossy(&heard).into_owned()
}

/// Says something and hears one answer, whose length is given.
async fn one_answer(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), said: &str) -> String {
    stream.write_all(said.as_bytes()).await.unwrap();
    let mut heard = Vec::new();
    let whole = async {
        loop {
            let text = String::from_utf8_lossy(&heard).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.to_ascii_lowercase();
                let length = length.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
                if body.len() >= length.trim().parse().unwrap() {
                    return text;
                }
            }
            let count = stream.read_buf(&mut heard).await.unwrap();
            assert_ne!(count, 0, "closed before a whole answer: {text}");
        }
    };
    tokio::time::timeout(END, whole).await.expect("an answer in time")
}
