//! A cell that was restored from a backup turns everybody away until it knows what it has missed, and says so.
//!
//! A layer with a future of its own: it stands before every request, nearly all of which pass.

use std::{
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};
use domicile_app::restore::Fence;
use futures::future::Either;
use tower::{Layer, Service};

use crate::error::Failure;

/// What is answered all the same: what the public is told, and where clients find the service.
const OPEN: [&str; 2] = ["/status", "/.well-known/"];
/// What other cells ask that may be restored themselves, or leave something here.
const INNER: &str = "/_domicile/inner/v1/restore/";

/// Stands before everything that clients and other servers ask.
pub(crate) fn outer(fence: &Arc<Fence>) -> Stand {
    Stand { fence: Arc::clone(fence), is_open: |path| OPEN.iter().any(|open| path.starts_with(open)) }
}

/// The same before what other cells ask.
pub(crate) fn inner(fence: &Arc<Fence>) -> Stand {
    Stand { fence: Arc::clone(fence), is_open: |path| path.starts_with(INNER) }
}

/// Which fence, and which paths it does not bar.
#[derive(Clone)]
pub(crate) struct Stand {
    fence: Arc<Fence>,
    is_open: fn(&str) -> bool,
}

impl<S> Layer<S> for Stand {
    type Service = Standing<S>;

    fn layer(&self, inner: S) -> Standing<S> {
        Standing { inner, stand: self.clone() }
    }
}

/// A service behind the fence.
#[derive(Clone)]
pub(crate) struct Standing<S> {
    inner: S,
    stand: Stand,
}

impl<S> Service<Request> for Standing<S>
where
    S: Service<Request, Response = Response>,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Response, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        if self.stand.fence.is_up() && !(self.stand.is_open)(request.uri().path()) {
            return Either::Right(ready(Ok(Failure::from(Fence::told()).into_response())));
        }
        Either::Left(self.inner.call(request))
    }
}
