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
        let (parts, raw, origin) = inner(request, inbound).await?;
        inbound.may_ask(&origin)?;
        let turn = inbound.turn(&origin)?;
        let body = parse(parts, &raw).await?;
        return Ok(Peer { body, raw, origin, turn });
    }
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
    let turn = inbound.turn(&header.origin)?;
    let body = parse(parts, &raw).await?;
    Ok(Peer { body, raw, origin: header.origin, turn })
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
    let header = inbound.open_inner(header, key.spki())?;
    if request.extensions().get::<BodyLimit>().is_none() {
        request.extensions_mut().insert(BodyLimit(limits::FEDERATION_BODY_BYTES));
    }
    let (parts, raw) = read(request).await?;
    let mut signed = http::Request::new(raw.as_ref());
    signed.method_mut().clone_from(&parts.method);
    signed.uri_mut().clone_from(&parts.uri);
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
