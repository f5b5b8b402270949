//! What surrounds every request: who it came from, its id in the log and in the answer, its count in the metrics, and a net for panics.
//!
//! One layer with a future of its own: whoever waits in a long request holds little here.

use std::{
    hash::{BuildHasher as _, RandomState},
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use axum::{
    Router,
    extract::{MatchedPath, Request},
    http::{HeaderValue, Method},
    response::{IntoResponse, Response},
};
use domicile_core::error::ErrorKind;
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower::{Layer, Service};
use tracing::Span;

use crate::{admin::operator::Uid, error::Failure, extract::Private, forwarded::Peer, metrics::Metrics};

/// The header in which a request's id stands.
const REQUEST_ID: &str = "x-request-id";

/// Puts a router into what surrounds every request.
pub fn observed(router: Router, metrics: Arc<Metrics>) -> Router {
    router.layer(Observe { metrics, names: Arc::default() })
}

/// Names for requests: no two the same, and none that tells how many there were. Nothing depends on their being secret, so they cost no call of
/// the system.
#[derive(Default)]
struct Names {
    key: RandomState,
    count: AtomicU64,
}

impl Names {
    fn next(&self) -> String {
        format!("{:016x}", self.key.hash_one(self.count.fetch_add(1, Ordering::Relaxed)))
    }
}

#[derive(Clone)]
struct Observe {
    metrics: Arc<Metrics>,
    names: Arc<Names>,
}

impl<S> Layer<S> for Observe {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed { inner, metrics: Arc::clone(&self.metrics), names: Arc::clone(&self.names) }
    }
}

/// A service whose requests are named, counted and caught.
#[derive(Clone)]
struct Observed<S> {
    inner: S,
    metrics: Arc<Metrics>,
    names: Arc<Names>,
}

impl<S> Service<Request> for Observed<S>
where
    S: Service<Request>,
    S::Response: IntoResponse,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Answering<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let peer = request.extensions_mut().remove::<Peer>();
        let given = peer.as_ref().filter(|peer| peer.is_trusted()).and_then(|_| request.headers().get(REQUEST_ID));
        let id = match given.and_then(|id| id.to_str().ok()).filter(|id| fits(id)) {
            Some(id) => id.to_owned(),
            None => self.names.next(),
        };
        if let Some(peer) = peer {
            let client = peer.client(request.headers());
            if let Some(uid) = peer.uid {
                request.extensions_mut().insert(Uid(uid));
            }
            if peer.is_private(request.headers()) {
                request.extensions_mut().insert(Private);
            }
            request.extensions_mut().insert(client);
        }
        let span = tracing::info_span!("request", id = %id);
        let route = request.extensions().get::<MatchedPath>().cloned();
        let method = request.method().clone();
        let inner = span.in_scope(|| self.inner.call(request));
        Answering { inner, span, id, method, route, begun: Instant::now(), metrics: Arc::clone(&self.metrics) }
    }
}

pin_project! {
    /// A request on its way.
    struct Answering<F> {
        #[pin]
        inner: F,
        span: Span,
        id: String,
        method: Method,
        // None where no route fits: such requests are not counted, since anybody can make up paths.
        route: Option<MatchedPath>,
        begun: Instant,
        metrics: Arc<Metrics>,
    }
}

impl<F, R, E> Future for Answering<F>
where
    F: Future<Output = Result<R, E>>,
    R: IntoResponse,
{
    type Output = Result<Response, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let polled = this.span.in_scope(|| std::panic::catch_unwind(AssertUnwindSafe(|| this.inner.poll(cx))));
        let mut response = if let Ok(polled) = polled {
            ready!(polled)?.into_response()
        } else {
            this.span.in_scope(|| tracing::error!("a request panicked"));
            let told = "The server failed. Its log says why, under this answer's request id.";
            Failure::from(ErrorKind::Unknown.with(told)).into_response()
        };
        if let Some(route) = this.route {
            this.metrics.count(this.method, route.as_str(), response.status(), this.begun.elapsed());
        }
        if let Ok(value) = HeaderValue::from_str(this.id) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        Poll::Ready(Ok(response))
    }
}

fn fits(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}
