//! A cell that was restored from a backup turns everybody away until it knows what it has missed, and says so.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use domicile_app::restore::Fence;

use crate::error::Failure;

/// What is answered all the same: what the public is told, and where clients find the service.
const OPEN: [&str; 2] = ["/status", "/.well-known/"];
/// What other cells ask that may be restored themselves, or leave something here.
const INNER: &str = "/_domicile/inner/v1/restore/";

/// Stands before everything that clients and other servers ask.
pub(crate) async fn outer(State(fence): State<Arc<Fence>>, request: Request, next: Next) -> Response {
    stand(&fence, request, next, |path| OPEN.iter().any(|open| path.starts_with(open))).await
}

/// The same before what other cells ask.
pub(crate) async fn inner(State(fence): State<Arc<Fence>>, request: Request, next: Next) -> Response {
    stand(&fence, request, next, |path| path.starts_with(INNER)).await
}

async fn stand(fence: &Fence, request: Request, next: Next, is_open: impl Fn(&str) -> bool) -> Response {
    if fence.is_up() && !is_open(request.uri().path()) {
        return Failure::from(Fence::told()).into_response();
    }
    next.run(request).await
}
