//! GET and POST /_domicile/admin/v1/fence (a restored cell until it is open)

use std::sync::Arc;

use axum::{Json, Router, extract::State, routing::get};
use domicile_app::restore::{Restorer, Shown};
use serde::Deserialize;

use super::{AdminServices, operator::By};
use crate::error::Failure;

pub(super) fn routes() -> Router<AdminServices> {
    Router::new().route("/_domicile/admin/v1/fence", get(shown).post(give_up_on))
}

async fn shown(State(restorer): State<Arc<Restorer>>) -> Result<Json<Shown>, Failure> {
    Ok(Json(restorer.shown().await?))
}

/// Cells that are not waited for.
#[derive(Deserialize)]
struct GivenUp {
    cells: Vec<String>,
}

async fn give_up_on(
    State(restorer): State<Arc<Restorer>>,
    By { operator, reason }: By,
    Json(given_up): Json<GivenUp>,
) -> Result<Json<Shown>, Failure> {
    Ok(Json(restorer.give_up_on(given_up.cells, operator.name, reason.unwrap_or_default()).await?))
}
