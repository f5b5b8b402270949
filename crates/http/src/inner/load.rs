//! POST /_domicile/inner/v1/load (how full this cell is, for cells of its region)

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Request, State},
    routing::post,
};
use domicile_app::{
    accounts::Users,
    federation::Inbound,
    residency::{LOAD, Load, LoadQuestion},
};

use super::{asked, names::cells};
use crate::{error::Failure, state::Services};

pub(super) fn routes() -> Router<Services> {
    Router::new().route(LOAD, post(load))
}

async fn load(
    State(inbound): State<Arc<Inbound>>,
    State(users): State<Arc<Users>>,
    request: Request,
) -> Result<Json<Load>, Failure> {
    let (cell, LoadQuestion {}) = asked(request, &inbound).await?;
    Ok(Json(cells(&users)?.placement.load_for(&cell).await?))
}
