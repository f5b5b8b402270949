//! GET /_domicile/admin/v1/standing, and duties under it (what the law asks, and the answers)

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    routing::get,
};
use domicile_app::standing::{Duties, DutyText, Table};
use serde::Deserialize;

use super::AdminServices;
use crate::error::Failure;

pub(super) fn routes() -> Router<AdminServices> {
    Router::new()
        .route("/_domicile/admin/v1/standing", get(table))
        .route("/_domicile/admin/v1/standing/duties/{code}/{id}", get(show))
        .route("/_domicile/admin/v1/standing/duties/{code}/{id}/decision", axum::routing::put(decide).delete(take_back))
}

#[derive(Deserialize)]
struct Which {
    #[serde(default)]
    all: bool,
}

async fn table(State(duties): State<Arc<Duties>>, Query(which): Query<Which>) -> Result<Json<Table>, Failure> {
    Ok(Json(duties.table(which.all).await?))
}

async fn show(
    State(duties): State<Arc<Duties>>,
    Path((code, id)): Path<(String, String)>,
) -> Result<Json<DutyText>, Failure> {
    Ok(Json(duties.duty(&format!("{code}/{id}")).await?))
}

#[derive(Deserialize)]
struct Decide {
    who: String,
    why: String,
}

async fn decide(
    State(duties): State<Arc<Duties>>,
    Path((code, id)): Path<(String, String)>,
    Json(decision): Json<Decide>,
) -> Result<Json<DutyText>, Failure> {
    Ok(Json(duties.choose_not_to(&format!("{code}/{id}"), &decision.who, &decision.why).await?))
}

async fn take_back(
    State(duties): State<Arc<Duties>>,
    Path((code, id)): Path<(String, String)>,
) -> Result<Json<DutyText>, Failure> {
    Ok(Json(duties.choose_to(&format!("{code}/{id}")).await?))
}
