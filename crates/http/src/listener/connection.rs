//! One connection: which HTTP it speaks, and its requests handed to the router.
//!
//! Thousands of connections wait in long requests, so what one of them holds counts. The version is found before the HTTP library reads: it
//! keeps no buffer for the question, and the state of a connection is that of its version alone.

use std::{io, sync::Arc, time::Duration};

use axum::{Router, body::Body, response::Response};
use domicile_app::residency::Admission;
use hyper::{Request, body::Incoming, service::Service};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::graceful::Watcher,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::{Semaphore, watch},
};
use tokio_util::sync::CancellationToken;

use super::{
    finish::{self, Answer},
    patience::{Patience, Patient},
    tls::Certificate,
};
use crate::{extract::BodyTime, forwarded::Peer};

/// Largest headers in bytes.
const HEADER_BYTES: usize = 64 * 1024;
/// How HTTP/2 begins; no method of HTTP/1 does.
const HTTP2: &[u8; 4] = b"PRI ";

/// A connection that was accepted.
pub(super) struct Connection {
    pub(super) router: Router,
    pub(super) peer: Peer,
    pub(super) patience: Patience,
    pub(super) watcher: Watcher,
    /// Who has not begun a request is not waited for when the server stops.
    pub(super) stopping: CancellationToken,
    /// What goes on although its client hung up.
    pub(super) unattended: Arc<Semaphore>,
    /// Which cell is on the other side, if it is one.
    pub(super) cell: Option<CellKey>,
}

/// The key with which another cell opened the connection of a request, as a `SubjectPublicKeyInfo`. Nothing but a handshake between cells
/// puts it there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellKey(Arc<[u8]>);

impl CellKey {
    /// The key in DER.
    pub fn spki(&self) -> &[u8] {
        &self.0
    }
}

/// The router, for the requests of one peer.
struct Answers {
    router: Router,
    peer: Peer,
    body_time: BodyTime,
    unattended: Arc<Semaphore>,
    cell: Option<CellKey>,
}

impl Service<Request<Incoming>> for Answers {
    type Response = Response;
    type Error = std::convert::Infallible;
    type Future = Answer<axum::routing::future::RouteFuture<std::convert::Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(self.peer.clone());
        request.extensions_mut().insert(self.body_time);
        if let Some(cell) = &self.cell {
            request.extensions_mut().insert(cell.clone());
        }
        let ends = finish::changes(&request);
        // A router is always ready.
        Answer::new(tower::Service::call(&mut self.router.clone(), request), ends, &self.unattended)
    }
}

impl Connection {
    /// Without TLS, over TCP: the first bytes tell the version.
    pub(super) async fn plain(self: Box<Self>, stream: TcpStream) {
        // In a box that is gone when the version is known.
        match Box::pin(self.begins_as_http2(&stream)).await {
            Some(true) => Box::pin(self.http2(stream)).await,
            Some(false) => Box::pin(self.http1(stream)).await,
            None => {}
        }
    }

    /// Whether a client begins as HTTP/2 does. None: it is silent for too long, gone, or too late.
    async fn begins_as_http2(&self, stream: &TcpStream) -> Option<bool> {
        let begins = tokio::time::timeout(self.patience.headers, speaks_http2(stream));
        self.stopping.run_until_cancelled(begins).await?.ok()?.ok()
    }

    /// With TLS: the handshake tells the version.
    pub(super) async fn tls<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        mut self: Box<Self>,
        stream: S,
        certificate: &Certificate,
    ) {
        let handshake = tokio::time::timeout(self.patience.handshake, certificate.acceptor().accept(stream));
        let shaken = Box::pin(self.stopping.run_until_cancelled(handshake)).await;
        let Some(Ok(Ok(stream))) = shaken else { return };
        // Others are not asked for a certificate.
        let shown = stream.get_ref().1.peer_certificates().and_then(|shown| shown.first());
        self.cell = shown.map(|key| CellKey(Arc::from(key.as_ref())));
        let cell = self.cell.clone();
        let serving = async {
            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                Box::pin(self.http2(stream)).await;
            } else {
                Box::pin(self.http1(stream)).await;
            }
        };
        match (cell, certificate.admission()) {
            // A cell that is revoked loses its connections with what is asked over them.
            (Some(cell), Some(admission)) => tokio::select! {
                () = serving => {}
                () = dismissed(&cell, admission) => tracing::info!("a connection with a cell ends: the document has no such key now"),
            },
            _ => serving.await,
        }
    }

    /// HTTP/1.
    pub(super) async fn http1<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self: Box<Self>, stream: S) {
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(self.patience.headers).max_buf_size(HEADER_BYTES);
        let body_time = BodyTime(self.patience.body);
        let is_cell = self.cell.is_some();
        let Self { router, peer, watcher, stopping, unattended, cell, .. } = *self;
        let answers = Answers { router, peer, body_time, unattended, cell };
        let connection = builder.serve_connection(TokioIo::new(stream), answers);
        // How a connection ends is its client's matter.
        if is_cell {
            // It may become a line to another cell. The watcher is held until it ends, so that the server waits for it when it stops.
            let _watcher = watcher;
            let mut connection = Box::pin(connection.with_upgrades());
            tokio::select! {
                _ended = connection.as_mut() => return,
                () = stopping.cancelled() => {}
            }
            connection.as_mut().graceful_shutdown();
            let _ended = connection.await;
        } else {
            let _ended = watcher.watch(connection).await;
        }
    }

    /// HTTP/2.
    async fn http2<S: AsyncRead + AsyncWrite + Unpin + 'static>(self: Box<Self>, stream: S) {
        let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(HEADER_BYTES).unwrap_or(u32::MAX))
            .keep_alive_interval(Some(Duration::from_mins(1)));
        let body_time = BodyTime(self.patience.body);
        let (peer, unattended, cell) = (self.peer, self.unattended, self.cell);
        let answers = Answers { router: self.router, peer, body_time, unattended, cell };
        let stream = TokioIo::new(Patient::new(stream, self.patience.headers));
        let _ended = self.watcher.watch(builder.serve_connection(stream, answers)).await;
    }
}

/// Waits until a cell's key does not open connections any more.
async fn dismissed(cell: &CellKey, mut admission: watch::Receiver<Arc<Admission>>) {
    if admission.wait_for(|admission| !admission.admits(cell.spki())).await.is_err() {
        // Nothing changes any more: the server stops.
        std::future::pending::<()>().await;
    }
}

/// Whether a client begins as HTTP/2 does. What it said stays to be read.
async fn speaks_http2(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0; HTTP2.len()];
    loop {
        let length = stream.peek(&mut first).await?;
        if length == 0 || first[..length] != HTTP2[..length] {
            return Ok(false);
        }
        if length == first.len() {
            return Ok(true);
        }
        // Some of its letters only: the rest is on its way.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
