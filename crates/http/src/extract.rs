//! Requests of ruma's types, with who asks.
//!
//! [`Public`] asks for no token, [`Authed`] for one, [`Maybe`] takes one if there is one.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Bytes,
    extract::{FromRef, FromRequest, RawPathParams, Request},
    http::header::{AUTHORIZATION, CONTENT_LENGTH},
    http::request::Parts,
    http::{Extensions, HeaderMap, Uri},
};
use domicile_app::accounts::{Devices, Session, Sessions};
use domicile_core::{error::ErrorKind, error::MatrixError, limits};
use futures::future::BoxFuture;
use http_body_util::{BodyExt, Limited};
use ruma::api::{
    IncomingRequest,
    error::{DeserializationError, FromHttpRequestError},
};

use crate::error::Failure;

/// How long a body may take to arrive, unless the listener says otherwise.
const BODY_TIME: Duration = Duration::from_mins(1);

/// Ids that stand in paths.
const IDS: [&str; 5] = ["user_id", "room_id", "event_id", "room_alias", "room_id_or_alias"];

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

/// Who asks, for a request without a body.
pub struct Caller(pub Arc<Session>);

/// A request of a session whose account is not suspended: for what is more than reading and leaving.
pub struct Acting<T>(pub Authed<T>);

/// A request of a session whose account may be locked: for logging out.
pub struct Leaving<T>(pub Authed<T>);

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

/// An extraction in boxes: one for its work, which is gone when the handler begins, and one for what it gives. For handlers that wait long: the
/// future of a handler has room for each of its arguments, several times over.
pub struct Boxed<E>(pub Box<E>);

impl<E, S> FromRequest<S> for Boxed<E>
where
    E: FromRequest<S>,
    S: Send + Sync,
{
    type Rejection = E::Rejection;

    fn from_request(request: Request, state: &S) -> impl Future<Output = Result<Self, Self::Rejection>> + Send {
        Box::pin(async move { E::from_request(request, state).await.map(|extracted| Self(Box::new(extracted))) })
    }
}

/// Where a request came from, as far as configured proxies let us know. The layer in front of the router inserts it as an extension.
#[derive(Clone, Copy, Debug, Default)]
pub struct Client {
    /// The address; none on a unix socket without a proxy that tells it.
    pub address: Option<std::net::IpAddr>,
}

/// Nobody could read the request on its way, as an extension: it came over TLS. The layer in front of the router inserts it.
#[derive(Clone, Copy, Debug)]
pub struct Private;

/// A listener's own bound on the time that a body may take, as an extension.
#[derive(Clone, Copy, Debug)]
pub struct BodyTime(pub Duration);

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
    Arc<Devices>: FromRef<S>,
{
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        // The token first: a stranger's body is not read.
        let session = needed_session(&request, state).await?;
        let (body, raw, client) = whole(request).await?;
        Ok(Self { body, raw, session, client })
    }
}

impl<S> FromRequest<S> for Caller
where
    S: Send + Sync,
    Arc<Sessions>: FromRef<S>,
    Arc<Devices>: FromRef<S>,
{
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let session = needed_session(&request, state).await?;
        Ok(Self(session))
    }
}

impl<T, S> FromRequest<S> for Acting<T>
where
    T: IncomingRequest,
    S: Send + Sync,
    Arc<Sessions>: FromRef<S>,
    Arc<Devices>: FromRef<S>,
{
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let session = needed_session(&request, state).await?;
        session.check_not_suspended()?;
        let (body, raw, client) = whole(request).await?;
        Ok(Self(Authed { body, raw, session, client }))
    }
}

impl<T, S> FromRequest<S> for Leaving<T>
where
    T: IncomingRequest,
    S: Send + Sync,
    Arc<Sessions>: FromRef<S>,
{
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let token = token(request.headers(), request.uri().query()).ok_or_else(token_missing)?;
        let session = Arc::<Sessions>::from_ref(state).authenticate_to_leave(token).await?;
        let (body, raw, client) = whole(request).await?;
        Ok(Self(Authed { body, raw, session, client }))
    }
}

impl<T, S> FromRequest<S> for Maybe<T>
where
    T: IncomingRequest,
    S: Send + Sync,
    Arc<Sessions>: FromRef<S>,
    Arc<Devices>: FromRef<S>,
{
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let session = session(request.headers(), request.uri(), request.extensions(), state).await?;
        let (body, raw, client) = whole(request).await?;
        Ok(Self { body, raw, session, client })
    }
}

/// Who asks, if they say so. The use of the session is noted.
async fn session<S>(
    headers: &HeaderMap,
    uri: &Uri,
    extensions: &Extensions,
    state: &S,
) -> Result<Option<Arc<Session>>, Failure>
where
    Arc<Sessions>: FromRef<S>,
    Arc<Devices>: FromRef<S>,
{
    let Some(token) = token(headers, uri.query()) else { return Ok(None) };
    let session = Box::pin(Arc::<Sessions>::from_ref(state).authenticate(token)).await?;
    let client = extensions.get::<Client>().copied().unwrap_or_default();
    Arc::<Devices>::from_ref(state).note_use(&session, client.address);
    Ok(Some(session))
}

/// Who asks, where nobody may ask without a token. The request itself is not kept in the future: its body cannot be shared between threads.
fn needed_session<S>(request: &Request, state: &S) -> impl Future<Output = Result<Arc<Session>, Failure>>
where
    Arc<Sessions>: FromRef<S>,
    Arc<Devices>: FromRef<S>,
{
    let asked = session(request.headers(), request.uri(), request.extensions(), state);
    async move { Ok(asked.await?.ok_or_else(token_missing)?) }
}

fn token_missing() -> MatrixError {
    ErrorKind::MissingToken.with("This needs an access token: log in.")
}

/// The request, its body as it came, and where it came from.
///
/// In a box of its own, which is gone when a handler begins: who waits in a long request holds nothing of what reading it took.
fn whole<T: IncomingRequest>(request: Request) -> BoxFuture<'static, Result<(T, Bytes, Client), MatrixError>> {
    Box::pin(async move {
        let (checked, raw, client) = arrive(request).await?;
        Ok((checked.understand(&raw)?, raw, client))
    })
}

async fn arrive(request: Request) -> Result<(Checked, Bytes, Client), MatrixError> {
    let (parts, raw) = read(request).await?;
    let client = client(&parts);
    Ok((Checked::new(parts, &raw).await?, raw, client))
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
    Arc<Devices>: FromRef<S>,
{
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let session = needed_session(&request, state).await?;
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
pub(crate) fn token<'a>(headers: &'a HeaderMap, query: Option<&'a str>) -> Option<&'a str> {
    if let Some(value) = headers.get(AUTHORIZATION) {
        let value = value.to_str().ok()?;
        let (scheme, token) = value.split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then(|| token.trim());
    }
    // Our tokens are letters and digits: nothing in them is ever percent-encoded.
    query?.split('&').find_map(|pair| pair.strip_prefix("access_token="))
}

pub(crate) async fn read(request: Request) -> Result<(Parts, Bytes), MatrixError> {
    let (parts, body) = request.into_parts();
    let limit = parts.extensions.get::<BodyLimit>().map_or(limits::BODY_BYTES, |limit| limit.0);
    let time = parts.extensions.get::<BodyTime>().map_or(BODY_TIME, |time| time.0);
    let collected = tokio::time::timeout(time, Limited::new(body, limit).collect())
        .await
        .map_err(|_| ErrorKind::BadRequest.with("The request's body took too long to arrive."))?;
    match collected {
        Ok(body) => Ok((parts, body.to_bytes())),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            Err(ErrorKind::TooLarge.with(format!("The request's body is larger than {limit} bytes.")))
        }
        Err(_) => Err(ErrorKind::NotJson.with("The request's body did not arrive whole.")),
    }
}

pub(crate) async fn parse<T: IncomingRequest>(parts: Parts, raw: &Bytes) -> Result<T, MatrixError> {
    Checked::new(parts, raw).await?.understand(raw)
}

/// A request that has arrived and whose text holds nothing that no operation may be asked. What is the same for all operations is here, and is so in
/// the program once and not once for each of them.
struct Checked {
    parts: Parts,
    params: RawPathParams,
}

impl Checked {
    async fn new(mut parts: Parts, raw: &Bytes) -> Result<Self, MatrixError> {
        use axum::extract::FromRequestParts;
        let params = RawPathParams::from_request_parts(&mut parts, &())
            .await
            .map_err(|_| ErrorKind::InvalidParam.with("A part of the path is not percent-encoded UTF-8."))?;
        // No id and no type has one, and not every database can store it.
        if params.iter().any(|(_, value)| value.contains('\0')) {
            return Err(ErrorKind::InvalidParam.with("A part of the path has a NUL character in it."));
        }
        // Ruma's types take ids of any length; the specification's (appendices, *Identifier Grammar*) have at most this.
        if let Some((name, _)) =
            params.iter().find(|(name, value)| IDS.contains(name) && value.len() > limits::ID_BYTES)
        {
            let text = format!("The {name} in the path is longer than {} bytes.", limits::ID_BYTES);
            return Err(ErrorKind::InvalidParam.with(text));
        }
        // Also where nobody looks at what stands in the body.
        if std::str::from_utf8(raw).is_err() {
            return Err(ErrorKind::NotJson.with("The request's body is not UTF-8."));
        }
        Ok(Self { parts, params })
    }

    fn understand<T: IncomingRequest>(self, raw: &Bytes) -> Result<T, MatrixError> {
        let Self { parts, params } = self;
        let args: Vec<&str> = params.iter().map(|(_, value)| value).collect();
        // Some clients send an empty body where an object is meant.
        let bytes: &[u8] = if raw.is_empty() && parts.method != axum::http::Method::GET { b"{}" } else { raw };
        let mut request = axum::http::Request::new(bytes);
        *request.method_mut() = parts.method;
        *request.uri_mut() = parts.uri;
        *request.headers_mut() = parts.headers;
        let request = T::try_from_http_request_inner(request, &args).map_err(|error| rejected(error.into(), bytes))?;
        check_object(bytes)?;
        Ok(request)
    }
}

/// Types without required fields read an empty list as an object, and some do not look at what follows their value.
fn check_object(bytes: &[u8]) -> Result<(), MatrixError> {
    match bytes.trim_ascii_start().first() {
        Some(b'[') => Err(ErrorKind::BadJson.with("The request's body is a list, and an object is expected.")),
        Some(b'{') if !is_json(bytes) => Err(ErrorKind::NotJson.with("The request's body is not one JSON object.")),
        _ => Ok(()),
    }
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
