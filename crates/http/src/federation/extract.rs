//! Requests of other servers, with whose they are.

use std::{pin::Pin, sync::Arc};

use axum::{
    body::Bytes,
    extract::{FromRef, FromRequest, Request},
    http::{self, HeaderMap, header::AUTHORIZATION},
};
use domicile_app::federation::{Inbound, inbound::Turn};
use domicile_core::{
    error::{ErrorKind, MatrixError},
    limits,
};
use ruma::{
    OwnedServerName,
    api::{
        IncomingRequest,
        federation::authentication::{ServerSignatures, XMatrix},
    },
};

use super::x_matrix;
use crate::{
    error::Failure,
    extract::{BodyLimit, parse, read},
    listener::CellKey,
};

/// A request that another server signed, for us.
pub struct Peer<T> {
    /// The request.
    pub body: T,
    /// Its body as it came.
    pub raw: Bytes,
    /// Whose it is.
    pub origin: OwnedServerName,
    /// Counts among the server's requests that are in work for as long as it is held.
    pub turn: Turn,
}

/// A request that the gateway in this process has checked, as an extension. Nothing that comes over a connection has it.
#[derive(Clone, Debug)]
pub(crate) struct Verified {
    /// Whose it is.
    pub(crate) origin: OwnedServerName,
}

/// A request that a gateway passes on over the link between cells, as an extension.
#[derive(Clone, Debug)]
pub(crate) struct Passed {
    /// Whose it is.
    pub(crate) origin: OwnedServerName,
    /// Path and query as the gateway signed them.
    pub(crate) uri: http::Uri,
}

impl<T, S> FromRequest<S> for Peer<T>
where
    T: IncomingRequest<Authentication = ServerSignatures>,
    S: Send + Sync,
    Arc<Inbound>: FromRef<S>,
{
    type Rejection = Failure;

    fn from_request(request: Request, state: &S) -> impl Future<Output = Result<Self, Failure>> + Send {
        let inbound = Arc::<Inbound>::from_ref(state);
        // In a box that is gone when the handler begins.
        let checking: Pin<Box<dyn Future<Output = Result<Self, Failure>> + Send>> =
            Box::pin(async move { peer(request, &inbound).await });
        checking
    }
}

async fn peer<T>(mut request: Request, inbound: &Inbound) -> Result<Peer<T>, Failure>
where
    T: IncomingRequest<Authentication = ServerSignatures>,
{
    if request.extensions().get::<CellKey>().is_some() {
        let passed = request.extensions().get::<Passed>().cloned();
        let (parts, raw, cell) = inner(request, inbound).await?;
        let origin = match passed {
            None => {
                inbound.may_ask(&cell)?;
                cell
            }
            Some(passed) => {
                inbound.passed(&cell, &passed.origin)?;
                passed.origin
            }
        };
        let turn = inbound.turn(&origin)?;
        let body = parse(parts, &raw).await?;
        return Ok(Peer { body, raw, origin, turn });
    }
    if let Some(Verified { origin }) = request.extensions().get::<Verified>().cloned() {
        inbound.may_share(&origin)?;
        request.extensions_mut().insert(BodyLimit(limits::FEDERATION_BODY_BYTES));
        let (parts, raw) = read(request).await?;
        let turn = inbound.turn(&origin)?;
        let body = parse(parts, &raw).await?;
        return Ok(Peer { body, raw, origin, turn });
    }
    let (parts, raw, origin) = signed(request, inbound).await?;
    let turn = inbound.turn(&origin)?;
    let body = parse(parts, &raw).await?;
    Ok(Peer { body, raw, origin, turn })
}

/// A request that another server signed: its parts, its body, and whose it is.
pub(crate) async fn signed(
    mut request: Request,
    inbound: &Inbound,
) -> Result<(http::request::Parts, Bytes, OwnedServerName), Failure> {
    let header = header(request.headers())?;
    let keys = inbound.key(&header).await?;
    if request.extensions().get::<BodyLimit>().is_none() {
        request.extensions_mut().insert(BodyLimit(limits::FEDERATION_BODY_BYTES));
    }
    let (parts, raw) = read(request).await?;
    let mut signed = http::Request::new(raw.as_ref());
    signed.method_mut().clone_from(&parts.method);
    signed.uri_mut().clone_from(&parts.uri);
    inbound.verify(&header, keys, &signed)?;
    Ok((parts, raw, header.origin))
}

/// A request that came over the link between cells: its parts, its body, and the name that stands for the cell.
pub(crate) async fn inner(
    mut request: Request,
    inbound: &Inbound,
) -> Result<(http::request::Parts, Bytes, OwnedServerName), Failure> {
    let unauthorized = |text: &'static str| ErrorKind::Unauthorized.with(text);
    let key = request.extensions().get::<CellKey>().cloned();
    let key = key.ok_or_else(|| unauthorized("The connection is not one between cells."))?;
    let header = one_header(request.headers())?;
    let header = inbound.open_inner(header, key.spki(), request.uri().path())?;
    if request.extensions().get::<BodyLimit>().is_none() {
        request.extensions_mut().insert(BodyLimit(limits::FEDERATION_BODY_BYTES));
    }
    let (parts, raw) = read(request).await?;
    let mut signed = http::Request::new(raw.as_ref());
    signed.method_mut().clone_from(&parts.method);
    let passed = parts.extensions.get::<Passed>().map(|passed| passed.uri.clone());
    *signed.uri_mut() = passed.unwrap_or_else(|| parts.uri.clone());
    let origin = inbound.verify_inner(header, &signed)?;
    Ok((parts, raw, origin))
}

/// The one `X-Matrix` of a request.
fn header(headers: &HeaderMap) -> Result<XMatrix, MatrixError> {
    x_matrix::read(one_header(headers)?).map_err(|why| {
        ErrorKind::Unauthorized.with(format!("The request's Authorization header cannot be read: {why}."))
    })
}

/// The one `Authorization` header of a request.
fn one_header(headers: &HeaderMap) -> Result<&str, MatrixError> {
    let unauthorized = |text: &'static str| ErrorKind::Unauthorized.with(text);
    let mut found = headers.get_all(AUTHORIZATION).into_iter();
    let value = match (found.next(), found.next()) {
        (Some(value), None) => value,
        (None, _) => return Err(unauthorized("The request has no Authorization header.")),
        (Some(_), Some(_)) => return Err(unauthorized("The request has more than one Authorization header.")),
    };
    value.to_str().map_err(|_| unauthorized("The request's Authorization header is no text."))
}
