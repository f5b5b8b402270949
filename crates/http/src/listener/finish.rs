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
