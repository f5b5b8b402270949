//! Passing a client's request to the cell that is its home, as a whole, since it is signed, and the answer back as it comes: bounded, and neither kept nor
//! logged on the way.

use std::time::Duration;

use axum::{
    body::{Body, Bytes, HttpBody as _},
    extract::Request,
    response::Response,
};
use domicile_app::{
    federation::{Bounds, PeerError},
    residency::InnerLink,
};
use domicile_core::{error::MatrixError, limits, locality::CellName};
use http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::extract::{BodyLimit, Client, read};

/// What stands before the path of a request that is passed on.
pub(crate) const PREFIX: &str = "/_domicile/inner/v1/client";
/// What the client said in `Authorization`: between cells, that header is the cell's own.
pub(crate) const TOKEN: HeaderName = HeaderName::from_static("x-domicile-authorization");
/// Where the client is.
pub(crate) const ADDRESS: HeaderName = HeaderName::from_static("x-domicile-address");
/// Says of an answer that whoever asks has moved to another cell: the cell through whose door they came asks again where that is.
pub(crate) const MOVED: HeaderName = HeaderName::from_static("x-domicile-moved");
/// Bytes of a request or an answer that is passed on: the largest is a file.
pub(crate) const BYTES: usize = 128 * 1024 * 1024;
/// The longest that an answer may take: as long as a client waits for news, and a bit.
const TIME: Duration = Duration::from_millis(limits::SYNC_TIMEOUT_MS + 30_000);
/// Requests of more bytes than this are few at once, since each is in memory as a whole.
const LARGE: usize = 1024 * 1024;
static LARGE_PLACES: Semaphore = Semaphore::const_new(4);
/// How long a large request waits for its turn.
const PATIENCE: Duration = Duration::from_secs(20);
/// Headers of a request that matter to whoever answers.
const HEADERS: [HeaderName; 7] = [
    header::CONTENT_TYPE,
    header::CONTENT_DISPOSITION,
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::RANGE,
    header::IF_NONE_MATCH,
    header::USER_AGENT,
];
/// Headers of an answer that are a connection's own.
const OF_CONNECTION: [HeaderName; 5] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::DATE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("x-request-id"),
];

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum NotPassed {
    /// The request is none that can be passed on.
    Request(MatrixError),
    /// The home was not reached, or did not answer.
    Unreached(PeerError),
}

/// A request that has arrived as a whole, with the place that it takes in memory.
pub(crate) struct Whole {
    pub(crate) parts: Parts,
    pub(crate) body: Bytes,
    _place: Option<SemaphorePermit<'static>>,
}

/// Reads a request that is to be passed on.
pub(crate) async fn arrived(mut request: Request) -> Result<Whole, NotPassed> {
    let length =
        request.headers().get(header::CONTENT_LENGTH).map(|length| length.to_str().ok()?.parse::<usize>().ok());
    // Of what nobody has said the length may be anything.
    let length =
        length.unwrap_or_else(|| request.body().size_hint().exact().and_then(|size| usize::try_from(size).ok()));
    let is_large = length.is_none_or(|length| length > LARGE);
    request.extensions_mut().insert(BodyLimit(if is_large { BYTES } else { LARGE }));
    let waiting = async { if is_large { LARGE_PLACES.acquire().await.ok() } else { None } };
    let busy = |_| NotPassed::Request(MatrixError::limit_exceeded(10_000));
    let place = tokio::time::timeout(PATIENCE, waiting).await.map_err(busy)?;
    let (parts, body) = read(request).await.map_err(NotPassed::Request)?;
    Ok(Whole { parts, body, _place: place })
}

/// Has a client's request answered by a cell.
pub(crate) async fn pass_whole(
    link: &InnerLink,
    cell: &CellName,
    parts: &Parts,
    body: Bytes,
) -> Result<Response, NotPassed> {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut passed = http::Request::builder().method(parts.method.clone()).uri(format!("{PREFIX}{path}"));
    for name in HEADERS {
        if let Some(value) = parts.headers.get(&name) {
            passed = passed.header(name, value);
        }
    }
    if let Some(token) = parts.headers.get(header::AUTHORIZATION) {
        passed = passed.header(TOKEN, token);
    }
    let address = parts.extensions.get::<Client>().and_then(|client| client.address);
    if let Some(address) = address.and_then(|address| HeaderValue::try_from(address.to_string()).ok()) {
        passed = passed.header(ADDRESS, address);
    }
    let passed = passed.body(body).map_err(|error| NotPassed::Unreached(PeerError::Request(error.to_string())))?;
    let bounds = Bounds { time: TIME, bytes: BYTES };
    let answer = link.ask_streamed(cell, passed, bounds).await.map_err(NotPassed::Unreached)?;
    let (mut head, pieces) = answer.into_parts();
    for name in OF_CONNECTION {
        head.headers.remove(name);
    }
    // The layer for browsers adds its own.
    head.headers.remove(header::ACCESS_CONTROL_ALLOW_ORIGIN);
    Ok(Response::from_parts(head, Body::from_stream(pieces)))
}

/// The client of a request that another cell has passed here, whose headers become what that client said.
pub(crate) fn as_made(headers: &mut HeaderMap) -> Client {
    headers.remove(header::AUTHORIZATION);
    if let Some(token) = headers.remove(TOKEN) {
        headers.insert(header::AUTHORIZATION, token);
    }
    let address = headers.remove(ADDRESS);
    Client { address: address.and_then(|address| address.to_str().ok()?.parse().ok()) }
}
