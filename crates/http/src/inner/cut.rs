//! POST /_domicile/inner/v1/cut (what waited here for a cell that was cut off, which asks)

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Request, State},
    routing::post,
};
use domicile_app::{
    federation::Inbound,
    residency::{CUT, CutQuestion, Cuts, cuts::CutAnswer},
};

use super::asked_of_people;
use crate::{error::Failure, state::Services};

pub(super) fn routes() -> Router<Services> {
    Router::new().route(CUT, post(cut))
}

async fn cut(
    State(inbound): State<Arc<Inbound>>,
    State(cuts): State<Arc<Cuts>>,
    request: Request,
) -> Result<Json<CutAnswer>, Failure> {
    let (cell, CutQuestion {}) = asked_of_people(request, &inbound).await?;
    Ok(Json(cuts.waited_for(&cell).await?))
}
