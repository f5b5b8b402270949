//! POST /_domicile/inner/v1/new_region (another cell lets the first copy of rooms go to a region: people here are told)

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Request, State},
    routing::post,
};
use domicile_app::{
    accounts::Users,
    federation::Inbound,
    residency::{Announced, NEW_REGION, NewRegion},
};

use super::asked_of_people;
use crate::{error::Failure, state::Services};

pub(super) fn routes() -> Router<Services> {
    Router::new().route(NEW_REGION, post(new_region))
}

async fn new_region(
    State(inbound): State<Arc<Inbound>>,
    State(users): State<Arc<Users>>,
    request: Request,
) -> Result<Json<Announced>, Failure> {
    let (cell, asked) = asked_of_people::<NewRegion>(request, &inbound).await?;
    Ok(Json(users.localities().among_cells()?.new_regions.asked(&cell, asked).await?))
}
