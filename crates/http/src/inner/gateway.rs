//! POST /_domicile/inner/v1/gateway/{ask, where, rooms, came, spooled} and /_domicile/inner/v1/for/{server}/… (gateways and the cells that they speak for)

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
    routing::{any, post},
};
use domicile_app::{
    federation::{Inbound, PeerError, Transactions},
    gateway::{
        ASK, CAME, Came, Errand, FOR, Gateway, GatewayParts, Outward, ROOMS, RoomsAnswer, RoomsQuestion, SPOOLED, WHERE,
    },
};
use domicile_core::{
    error::{ErrorKind, MatrixError},
    locality::CellName,
};
use http::Uri;
use ruma::{OwnedServerName, OwnedTransactionId, serde::Raw};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{from_cell, question};
use crate::{
    error::Failure,
    extract::BodyTime,
    federation::{
        self,
        extract::{self, Passed},
    },
    listener::CellKey,
    state::Services,
};

/// The routes; `services` answers what gateways pass on.
pub(super) fn routes(services: &Services) -> Router<Services> {
    let behind = federation::counted(services).with_state(services.clone());
    let passing = move |path: Path<(String, String)>, request: Request| pass(behind.clone(), path, request);
    Router::new()
        .route(ASK, post(ask))
        .route(WHERE, post(cells_in))
        .route(ROOMS, post(rooms))
        .route(CAME, post(came))
        .route(SPOOLED, post(spooled))
        .route(&format!("{FOR}{{server}}/{{*rest}}"), any(passing))
}

/// Asks another server for a cell.
async fn ask(
    State(inbound): State<Arc<Inbound>>,
    State(gateway): State<Arc<Gateway>>,
    request: Request,
) -> Result<Response, Failure> {
    let (parts, raw, cell) = from_cell(request, &inbound).await?;
    let errand = parts.uri.query().and_then(Errand::read);
    let errand = errand.ok_or_else(|| ErrorKind::InvalidParam.with("The request does not say what is to be asked."))?;
    match of(&gateway)?.outward.carry(&cell, errand, raw).await {
        Ok(answer) => Ok(Outward::handed_back(answer).map(Body::from).into_response()),
        Err(error) => Err(refusal(error).into()),
    }
}

/// Why a gateway did not ask, or got no answer.
fn refusal(error: PeerError) -> MatrixError {
    match error {
        PeerError::Matrix { status: 429, retry_after_ms, .. } => {
            MatrixError::limit_exceeded(retry_after_ms.unwrap_or(1_000))
        }
        PeerError::Matrix { status: 403, text, .. } => ErrorKind::Forbidden.with(text),
        PeerError::Refused => ErrorKind::Forbidden.with("The gateway does not talk to that server."),
        other => ErrorKind::BadGateway.with(format!("The gateway got no answer: {other}")),
    }
}

/// Tells a cell which cells are in a room.
async fn cells_in(
    State(inbound): State<Arc<Inbound>>,
    State(gateway): State<Arc<Gateway>>,
    request: Request,
) -> Result<Json<RoomsAnswer>, Failure> {
    let (_, raw, _) = extract::inner(request, &inbound).await?;
    Ok(Json(of(&gateway)?.outward.tell_cells_in(question::<RoomsQuestion>(&raw)?).await?))
}

/// Tells a gateway in which rooms somebody here is.
async fn rooms(
    State(inbound): State<Arc<Inbound>>,
    State(gateway): State<Arc<Gateway>>,
    request: Request,
) -> Result<Json<RoomsAnswer>, Failure> {
    let (_, raw, cell) = extract::inner(request, &inbound).await?;
    inbound.may_pass(&cell)?;
    Ok(Json(of(&gateway)?.rooms.here(question::<RoomsQuestion>(&raw)?.room_ids).await?))
}

/// Takes another gateway's word that somebody has come into a room.
async fn came(
    State(inbound): State<Arc<Inbound>>,
    State(gateway): State<Arc<Gateway>>,
    request: Request,
) -> Result<Json<Value>, Failure> {
    let (_, raw, cell) = extract::inner(request, &inbound).await?;
    inbound.may_pass(&cell)?;
    let came = question::<Came>(&raw)?;
    let cell = CellName::parse(&came.cell)
        .ok_or_else(|| ErrorKind::InvalidParam.with(format!("`{}` is no cell's name.", came.cell)))?;
    of(&gateway)?.rooms.came(&came.room_id, &cell).await?;
    Ok(Json(json!({})))
}

/// Takes what a gateway kept while this cell could not be reached.
async fn spooled(
    State(inbound): State<Arc<Inbound>>,
    State(gateway): State<Arc<Gateway>>,
    State(transactions): State<Arc<Transactions>>,
    request: Request,
) -> Result<Json<Value>, Failure> {
    let (_, raw, cell) = extract::inner(request, &inbound).await?;
    inbound.may_pass(&cell)?;
    let kept = of(&gateway)?.spool.open(&raw)?;
    inbound.passed(&cell, &kept.origin)?;
    let txn_id = OwnedTransactionId::from(kept.txn_id);
    let edus = kept.edus.into_iter().map(Raw::from_json).collect();
    transactions.take(&kept.origin, &txn_id, kept.pdus, edus).await?;
    Ok(Json(json!({})))
}

/// Answers what another server asked a gateway.
async fn pass(behind: Router, Path((server, _)): Path<(String, String)>, mut request: Request) -> Response {
    match passed(&server, request.uri()) {
        Some((passed, uri)) => {
            // What the way to here left in it, such as parts of the path, is not the other server's.
            let key = request.extensions_mut().remove::<CellKey>();
            let time = request.extensions_mut().remove::<BodyTime>();
            request.extensions_mut().clear();
            request.extensions_mut().insert(passed);
            if let Some(key) = key {
                request.extensions_mut().insert(key);
            }
            if let Some(time) = time {
                request.extensions_mut().insert(time);
            }
            *request.uri_mut() = uri;
            behind.oneshot(request).await.unwrap_or_else(|never| match never {})
        }
        None => Failure::from(ErrorKind::InvalidParam.with("The path names no server.")).into_response(),
    }
}

fn passed(server: &str, uri: &Uri) -> Option<(Passed, Uri)> {
    let origin = OwnedServerName::try_from(server).ok()?;
    let path = uri.path_and_query()?.as_str();
    let rest = path.strip_prefix(FOR)?.split_once('/')?.1;
    let plain = format!("/{rest}").parse().ok()?;
    Some((Passed { origin, uri: path.parse().ok()? }, plain))
}

fn of(gateway: &Gateway) -> Result<&GatewayParts, MatrixError> {
    gateway.parts().ok_or_else(no_cell)
}

fn no_cell() -> MatrixError {
    ErrorKind::NotFound.with("This server is no cell of a deployment.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_passed_on_is_what_the_other_server_asked() {
        let uri: Uri =
            "/_domicile/inner/v1/for/%5B%3A%3A1%5D%3A8448/_matrix/federation/v1/event/%24a?x=1".parse().unwrap();
        let (passed, plain) = passed("[::1]:8448", &uri).unwrap();
        assert_eq!(
            (passed.origin.as_str(), plain.to_string()),
            ("[::1]:8448", "/_matrix/federation/v1/event/%24a?x=1".to_owned())
        );
        assert_eq!(passed.uri, uri);
        assert!(super::passed("a b", &uri).is_none());
    }
}
