//! What surrounds every request: who it came from, its id in the log and in the answer, its count in the metrics, and a net for panics.

use std::sync::Arc;

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    http::HeaderValue,
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use domicile_core::{error::ErrorKind, rng};
use futures::FutureExt;
use tracing::Instrument;

use crate::{error::Failure, forwarded::Peer, metrics::Metrics};

/// The header in which a request's id stands.
const REQUEST_ID: &str = "x-request-id";

/// Puts a router into what surrounds every request.
pub fn observed(router: Router, metrics: Arc<Metrics>) -> Router {
    router.route_layer(middleware::from_fn_with_state(metrics, count)).layer(middleware::from_fn(identify))
}

async fn count(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned()).unwrap_or_default();
    let method = request.method().clone();
    let begun = tokio::time::Instant::now();
    let response = next.run(request).await;
    metrics.count(&method, &route, response.status(), begun.elapsed());
    response
}

async fn identify(mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().cloned();
    let given = peer.as_ref().filter(|peer| peer.is_trusted()).and_then(|_| request.headers().get(REQUEST_ID));
    let id = match given.and_then(|id| id.to_str().ok()).filter(|id| fits(id)) {
        Some(id) => id.to_owned(),
        None => rng::name(&rng::OsRng, 12),
    };
    if let Some(peer) = peer {
        let client = peer.client(request.headers());
        request.extensions_mut().insert(client);
    }
    let span = tracing::info_span!("request", id = %id);
    let answered = std::panic::AssertUnwindSafe(next.run(request)).catch_unwind().instrument(span.clone()).await;
    let mut response = answered.unwrap_or_else(|_| {
        span.in_scope(|| tracing::error!("a request panicked"));
        Failure::from(ErrorKind::Unknown.with("The server failed. Its log says why, under this answer's request id."))
            .into_response()
    });
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

fn fits(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}
