//! POST /_domicile/inner/v1/door/whose (whether a token that somebody has shown another cell is this one's)

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Request, State},
    routing::post,
};
use domicile_app::{
    federation::Inbound,
    front_door::{FrontDoor, TokenQuestion, WHOSE},
    residency::Has,
};
use domicile_core::{error::ErrorKind, locality::Destination};

use crate::{error::Failure, federation::extract, state::Services};

pub(super) fn routes() -> Router<Services> {
    Router::new().route(WHOSE, post(whose))
}

async fn whose(
    State(inbound): State<Arc<Inbound>>,
    State(front_door): State<Arc<FrontDoor>>,
    request: Request,
) -> Result<Json<Has>, Failure> {
    let (_, raw, cell) = extract::inner(request, &inbound).await?;
    let Destination::Cell(cell) = Destination::of_peer(&cell) else {
        return Err(ErrorKind::NotFound.with("This server is no cell of a deployment.").into());
    };
    let question: TokenQuestion = serde_json::from_slice(&raw)
        .map_err(|error| ErrorKind::BadJson.with(format!("The request cannot be read: {error}.")))?;
    Ok(Json(front_door.is_ours(&cell, &question).await?))
}
