//! POST /_domicile/inner/v1/relay/{cell} (this cell as the way to another one: the connection becomes a line there)

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Path, Request, State},
    response::Response,
    routing::post,
};
use domicile_app::{
    federation::Inbound,
    residency::{InnerLink, RELAY, RELAY_PROTOCOL},
};
use domicile_core::{error::ErrorKind, locality::CellName};
use http::{
    HeaderValue, StatusCode,
    header::{CONNECTION, UPGRADE},
};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::from_cell;
use crate::{error::Failure, state::Services};

pub(super) fn routes() -> Router<Services> {
    Router::new().route(RELAY, post(relay))
}

async fn relay(
    State(inbound): State<Arc<Inbound>>,
    Path(to): Path<String>,
    request: Request,
) -> Result<Response, Failure> {
    let (mut parts, _, from) = from_cell(request, &inbound).await?;
    let none = || ErrorKind::NotFound.with("There is no such cell to be the way to.");
    let (to, link) = (CellName::parse(&to).ok_or_else(none)?, link(&inbound)?);
    let asked = parts.headers.get(UPGRADE).is_some_and(|protocol| protocol == RELAY_PROTOCOL);
    let upgrade = parts.extensions.remove::<OnUpgrade>().filter(|_| asked);
    let plain = || ErrorKind::BadRequest.with("A relay is asked for over HTTP/1.1, by an upgrade to `domicile-relay`.");
    link.may_relay([&from, &to])?;
    let upgrade = upgrade.ok_or_else(plain)?;
    let passage = link.passage(&from, &to).await?;
    // It goes on when this request has its answer.
    tokio::spawn(async move {
        if let Ok(line) = upgrade.await {
            passage.carry(TokioIo::new(line)).await;
        }
    });
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    answer.headers_mut().insert(UPGRADE, HeaderValue::from_static(RELAY_PROTOCOL));
    Ok(answer)
}

fn link(inbound: &Inbound) -> Result<&Arc<InnerLink>, Failure> {
    Ok(inbound.link().ok_or_else(|| ErrorKind::NotFound.with("This server is no cell of a deployment."))?)
}
