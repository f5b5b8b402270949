//! POST /_domicile/inner/v1/media/whose (whether a cell has a file)

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Request, State},
    routing::post,
};
use domicile_app::{
    federation::Inbound,
    media::{HandleQuestion, Media, WHOSE},
    residency::Has,
};

use super::question;
use crate::{error::Failure, federation::extract, state::Services};

pub(super) fn routes() -> Router<Services> {
    Router::new().route(WHOSE, post(whose))
}

async fn whose(
    State(inbound): State<Arc<Inbound>>,
    State(media): State<Arc<Media>>,
    request: Request,
) -> Result<Json<Has>, Failure> {
    let (_, raw, cell) = extract::inner(request, &inbound).await?;
    inbound.may_ask(&cell)?;
    Ok(Json(media.has(question::<HandleQuestion>(&raw)?).await?))
}
