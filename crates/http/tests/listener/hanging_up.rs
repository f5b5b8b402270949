//! Clients that hang up before they are answered.

use std::time::Duration;

use axum::{
    Router,
    routing::{get, post},
};
use domicile_http::{forwarded::Proxies, listener::Bound};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};
use tokio_util::sync::CancellationToken;

/// Tells when it is dropped, and whether it had come to its end.
struct Work {
    done: bool,
    told: UnboundedSender<(&'static str, bool)>,
    name: &'static str,
}

impl Work {
    fn finish(mut self) {
        self.done = true;
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.told.send((self.name, self.done)).unwrap();
    }
}

fn slow(name: &'static str, told: &UnboundedSender<(&'static str, bool)>) -> impl Future<Output = ()> + use<> {
    let work = Work { done: false, told: told.clone(), name };
    async move {
        work.told.send(("begun", true)).unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        work.finish();
    }
}

async fn hang_up(address: std::net::SocketAddr, line: &str, told: &mut UnboundedReceiver<(&'static str, bool)>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{line} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(told.recv().await, Some(("begun", true)));
}

#[tokio::test]
async fn whoever_hangs_up_does_not_stop_what_they_asked_for_but_a_question_ends_with_them() {
    let (tell, mut told) = unbounded_channel();
    let (asked, ordered, synced) = (tell.clone(), tell.clone(), tell);
    let router = Router::new()
        .route("/asked", get(move || slow("asked", &asked)))
        .route("/ordered", post(move || slow("ordered", &ordered)))
        .route("/v4/sync", post(move || slow("synced", &synced)));
    let stopping = CancellationToken::new();
    let listener = Bound::bind("127.0.0.1:0", 0, None, Proxies::default()).await.unwrap();
    let address = listener.address().unwrap();
    let serving = tokio::spawn(listener.serve(router, stopping.clone()));
    for (line, end) in
        [("GET /asked", ("asked", false)), ("POST /ordered", ("ordered", true)), ("POST /v4/sync", ("synced", false))]
    {
        hang_up(address, line, &mut told).await;
        assert_eq!(told.recv().await, Some(end));
    }
    stopping.cancel();
    serving.await.unwrap();
}
