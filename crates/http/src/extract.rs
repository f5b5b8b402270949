//! Requests of ruma's types, with who asks.
//!
//! [`Public`] asks for no token, [`Authed`] for one, [`Maybe`] takes one if there is one.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Bytes,
    extract::{FromRef, FromRequest, RawPathParams, Request},
    http::header::{AUTHORIZATION, CONTENT_LENGTH},
    http::request::Parts,
    http::{HeaderMap, Uri},
};
use domicile_app::accounts::{Session, Sessions};
use domicile_core::{error::ErrorKind, error::MatrixError, limits};
use futures::future::BoxFuture;
use http_body_util::{BodyExt, Limited};
use ruma::api::{
    IncomingRequest,
    error::{DeserializationError, FromHttpRequestError},
};

use crate::error::Failure;

/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_mins(1);

/// A request without a token.
pub struct Public<T> {
    /// The request.
    pub body: T,
    /// Its body as it came.
    pub raw: Bytes,
    /// Where it came from.
    pub client: Client,
}

/// A request of a session.
pub struct Authed<T> {
    /// The request.
    pub body: T,
    /// Its body as it came.
    pub raw: Bytes,
    /// Who asks.
    pub session: Arc<Session>,
    /// Where it came from.
    pub client: Client,
}

/// A request with or without a token.
pub struct Maybe<T> {
    /// The request.
    pub body: T,
    /// Its body as it came.
    pub raw: Bytes,
    /// Who asks, if they say so.
    pub session: Option<Arc<Session>>,
    /// Where it came from.
    pub client: Client,
}

/// Where a request came from, as far as configured proxies let us know. The layer in front of the router inserts it as an extension.
#[derive(Clone, Copy, Debug, Default)]
pub struct Client {
    /// The address; none on a unix socket without a proxy that tells it.
    pub address: Option<std::net::IpAddr>,
}

/// A route's own bound on the body in bytes, as an extension. Without one it is [`limits::BODY_BYTES`].
#[derive(Clone, Copy, Debug)]
pub struct BodyLimit(pub usize);

impl<T, S> FromRequest<S> for Public<T>
where
    T: IncomingRequest,
    S: Send + Sync,
{
    type Rejection = Failure;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Failure> {
        let (body, raw, client) = whole(request).await?;
        Ok(Self { body, raw, client })
    }
}

impl<T, S> FromRequest<S> for Authed<T>
where
    T: IncomingRequest,
    S: Send + Sync,
    Arc<Sessions>: FromRef<S>,
{
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        // The token first: a stranger's body is not read.
        let session =
            session(request.headers(), request.uri(), Arc::from_ref(state)).await?.ok_or_else(token_missing)?;
        let (body, raw, client) = whole(request).await?;
        Ok(Self { body, raw, session, client })
    }
}

impl<T, S> FromRequest<S> for Maybe<T>
where
    T: IncomingRequest,
    S: Send + Sync,
    Arc<Sessions>: FromRef<S>,
{
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let session = session(request.headers(), request.uri(), Arc::from_ref(state)).await?;
        let (body, raw, client) = whole(request).await?;
        Ok(Self { body, raw, session, client })
    }
}

/// Who asks, if they say so.
async fn session(headers: &HeaderMap, uri: &Uri, sessions: Arc<Sessions>) -> Result<Option<Arc<Session>>, Failure> {
    match token(headers, uri.query()) {
        Some(token) => Ok(Some(Box::pin(sessions.authenticate(token)).await?)),
        None => Ok(None),
    }
}

fn token_missing() -> MatrixError {
    ErrorKind::MissingToken.with("This needs an access token: log in.")
}

/// The request, its body as it came, and where it came from.
///
/// In a box of its own, which is gone when a handler begins: who waits in a long request holds nothing of what reading it took.
fn whole<T: IncomingRequest>(request: Request) -> BoxFuture<'static, Result<(T, Bytes, Client), MatrixError>> {
    Box::pin(async move {
        let (parts, raw) = read(request).await?;
        let client = client(&parts);
        let body = parse(parts, &raw).await?;
        Ok((body, raw, client))
    })
}

/// A request of a session whose body is read piece by piece.
pub struct Streamed<T> {
    /// The request, but for its body.
    pub body: T,
    /// Its body.
    pub content: axum::body::BodyDataStream,
    /// What `Content-Length` says.
    pub length: Option<u64>,
    /// Who asks.
    pub session: Arc<Session>,
}

impl<T, S> FromRequest<S> for Streamed<T>
where
    T: IncomingRequest,
    S: Send + Sync,
    Arc<Sessions>: FromRef<S>,
{
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let session =
            session(request.headers(), request.uri(), Arc::from_ref(state)).await?.ok_or_else(token_missing)?;
        let (parts, content) = request.into_parts();
        let length = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let body = parse(parts, &Bytes::new()).await?;
        Ok(Self { body, content: content.into_data_stream(), length, session })
    }
}

fn client(parts: &Parts) -> Client {
    parts.extensions.get::<Client>().copied().unwrap_or_default()
}

/// The access token of the header, or of the query as old clients give it.
fn token<'a>(headers: &'a HeaderMap, query: Option<&'a str>) -> Option<&'a str> {
    if let Some(value) = headers.get(AUTHORIZATION) {
        let value = value.to_str().ok()?;
        let (scheme, token) = value.split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then(|| token.trim());
    }
    // Our tokens are letters and digits: nothing in them is ever percent-encoded.
    query?.split('&').find_map(|pair| pair.strip_prefix("access_token="))
}

async fn read(request: Request) -> Result<(Parts, Bytes), MatrixError> {
    let (parts, body) = request.into_parts();
    let limit = parts.extensions.get::<BodyLimit>().map_or(limits::BODY_BYTES, |limit| limit.0);
    let collected = tokio::time::timeout(BODY_TIME, Limited::new(body, limit).collect())
        .await
        .map_err(|_| ErrorKind::Unknown.with("The request's body took too long to arrive."))?;
    match collected {
        Ok(body) => Ok((parts, body.to_bytes())),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            Err(ErrorKind::TooLarge.with(format!("The request's body is larger than {limit} bytes.")))
        }
        Err(_) => Err(ErrorKind::NotJson.with("The request's body did not arrive whole.")),
    }
}

async fn parse<T: IncomingRequest>(mut parts: Parts, raw: &Bytes) -> Result<T, MatrixError> {
    use axum::extract::FromRequestParts;
    let params = RawPathParams::from_request_parts(&mut parts, &())
        .await
        .map_err(|_| ErrorKind::InvalidParam.with("A part of the path is not percent-encoded UTF-8."))?;
    let args: Vec<&str> = params.iter().map(|(_, value)| value).collect();
    // No id and no type has one, and not every database can store it.
    if args.iter().any(|arg| arg.contains('\0')) {
        return Err(ErrorKind::InvalidParam.with("A part of the path has a NUL character in it."));
    }
    // Some clients send an empty body where an object is meant.
    let bytes: &[u8] = if raw.is_empty() && parts.method != axum::http::Method::GET { b"{}" } else { raw };
    let mut request = axum::http::Request::new(bytes);
    *request.method_mut() = parts.method;
    *request.uri_mut() = parts.uri;
    *request.headers_mut() = parts.headers;
    T::try_from_http_request_inner(request, &args).map_err(|error| rejected(error.into(), bytes))
}

/// Whether the body is JSON at all, whatever is expected of it.
fn is_json(body: &[u8]) -> bool {
    std::str::from_utf8(body).is_ok_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok())
}

/// What Matrix calls a request that cannot be read.
fn rejected(error: FromHttpRequestError, body: &[u8]) -> MatrixError {
    let FromHttpRequestError::Deserialization(error) = error else {
        return ErrorKind::UnrecognizedMethod.with("This endpoint does not know the method.");
    };
    match error {
        DeserializationError::Utf8(_) => ErrorKind::NotJson.with("The request's body is not UTF-8."),
        DeserializationError::Json(error) if !is_json(body) => {
            ErrorKind::NotJson.with(format!("The request's body is not JSON: {error}"))
        }
        DeserializationError::Json(error) => {
            ErrorKind::BadJson.with(format!("The request's body does not fit: {error}"))
        }
        DeserializationError::Query(error) if error.to_string().starts_with("missing field") => {
            ErrorKind::MissingParam.with(format!("A query parameter is missing: {error}"))
        }
        DeserializationError::Query(error) => {
            ErrorKind::InvalidParam.with(format!("A query parameter does not fit: {error}"))
        }
        DeserializationError::Ident(error) => {
            ErrorKind::InvalidParam.with(format!("An id in the path is none: {error}"))
        }
        DeserializationError::Header(error) => ErrorKind::InvalidParam.with(format!("A header does not fit: {error}")),
        other => ErrorKind::BadJson.with(format!("The request does not fit: {other}")),
    }
}
