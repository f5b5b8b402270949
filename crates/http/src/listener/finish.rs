//! What somebody asked for is done to its end, whether or not they wait for the answer.
//!
//! The HTTP library drops the future of a request whose client hangs up, wherever it stands: between what is written to disk and what is shown of
//! it, or while somebody who moves is kept waiting. Such a future goes on here, by itself. Questions end with whoever asked them: nothing is
//! changed by them, and some of them wait long.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    http::{Method, Request},
    response::Response,
};
use tokio::{runtime::Handle, sync::Semaphore};

/// Requests of one listener that go on without their clients, at most. What comes beyond ends where it stands.
pub(super) const UNATTENDED: usize = 1_000;

/// The answer to a request.
pub(super) struct Answer<F: Future<Output = Result<Response, Infallible>> + Send + Unpin + 'static> {
    running: Option<F>,
    /// Where it goes on if nobody waits for it.
    unattended: Option<Arc<Semaphore>>,
}

impl<F: Future<Output = Result<Response, Infallible>> + Send + Unpin + 'static> Answer<F> {
    /// An answer that is made to its end if `ends` says so.
    pub(super) fn new(running: F, ends: bool, unattended: &Arc<Semaphore>) -> Self {
        Self { running: Some(running), unattended: ends.then(|| Arc::clone(unattended)) }
    }
}

/// Whether a request changes something. A sync may be asked for with POST, and waits.
pub(super) fn changes<B>(request: &Request<B>) -> bool {
    let asks = [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
    !asks && !request.uri().path().ends_with("/sync")
}

impl<F: Future<Output = Result<Response, Infallible>> + Send + Unpin + 'static> Future for Answer<F> {
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(running) = &mut self.running else { return Poll::Pending };
        let answered = Pin::new(running).poll(context);
        if answered.is_ready() {
            self.running = None;
        }
        answered
    }
}

impl<F: Future<Output = Result<Response, Infallible>> + Send + Unpin + 'static> Drop for Answer<F> {
    fn drop(&mut self) {
        let (Some(running), Some(unattended)) = (self.running.take(), self.unattended.take()) else { return };
        let (Ok(place), Ok(runtime)) = (unattended.try_acquire_owned(), Handle::try_current()) else { return };
        runtime.spawn(async move {
            let _place = place;
            let _nobody_waits = running.await;
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::{
        Router,
        routing::{get, post},
    };
    use tokio::{
        io::AsyncWriteExt,
        net::TcpStream,
        sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    };
    use tokio_util::sync::CancellationToken;

    use crate::{forwarded::Proxies, listener::Bound};

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
        for (line, end) in [
            ("GET /asked", ("asked", false)),
            ("POST /ordered", ("ordered", true)),
            ("POST /v4/sync", ("synced", false)),
        ] {
            hang_up(address, line, &mut told).await;
            assert_eq!(told.recv().await, Some(end));
        }
        stopping.cancel();
        serving.await.unwrap();
    }
}
