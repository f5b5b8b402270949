//! POST /_domicile/inner/v1/door/whose (whether a token that somebody has shown another cell is this one's)

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Request, State},
    routing::post,
};
use domicile_app::{
    federation::Inbound,
    front_door::{FrontDoor, WHOSE},
    residency::{Proofs, WhoseQuestion},
};

use super::asked;
use crate::{error::Failure, state::Services};

pub(super) fn routes() -> Router<Services> {
    Router::new().route(WHOSE, post(whose))
}

async fn whose(
    State(inbound): State<Arc<Inbound>>,
    State(front_door): State<Arc<FrontDoor>>,
    request: Request,
) -> Result<Json<Proofs>, Failure> {
    let (cell, question) = asked::<WhoseQuestion>(request, &inbound).await?;
    Ok(Json(front_door.is_ours(&cell, &question).await?))
}
