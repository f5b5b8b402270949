//! POST /_domicile/inner/v1/messages/taken (which messages for devices the cell that asks has brought)

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Request, State},
    routing::post,
};
use domicile_app::federation::{Inbound, TAKEN, TakenAnswer, Transactions};
use domicile_core::locality::Destination;

use super::asked;
use crate::{error::Failure, state::Services};

pub(super) fn routes() -> Router<Services> {
    Router::new().route(TAKEN, post(taken))
}

async fn taken(
    State(inbound): State<Arc<Inbound>>,
    State(transactions): State<Arc<Transactions>>,
    request: Request,
) -> Result<Json<TakenAnswer>, Failure> {
    let (cell, question) = asked(request, &inbound).await?;
    Ok(Json(transactions.taken(Destination::Cell(cell).peer_name(), question).await?))
}
