//! GET and POST /_domicile/admin/v1/demands (demands of authorities)

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    routing::{get, post},
};
use domicile_app::standing::{
    Demands,
    demands::{Answered, Counts, Demand, NewDemand},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::AdminServices;
use crate::error::Failure;

pub(super) fn routes() -> Router<AdminServices> {
    Router::new()
        .route("/_domicile/admin/v1/demands", get(list).post(add))
        .route("/_domicile/admin/v1/demands/counts", get(counts))
        .route("/_domicile/admin/v1/demands/{demand}", get(show))
        .route("/_domicile/admin/v1/demands/{demand}/answer", post(answer))
}

#[derive(Deserialize)]
struct After {
    #[serde(default)]
    after: i64,
}

async fn list(State(demands): State<Arc<Demands>>, Query(page): Query<After>) -> Result<Json<Value>, Failure> {
    let (found, next) = demands.list(page.after).await?;
    Ok(Json(json!({ "demands": found, "next": next })))
}

async fn add(State(demands): State<Arc<Demands>>, Json(new): Json<NewDemand>) -> Result<Json<Demand>, Failure> {
    Ok(Json(demands.add(new).await?))
}

async fn counts(State(demands): State<Arc<Demands>>) -> Result<Json<Counts>, Failure> {
    Ok(Json(demands.counts().await?))
}

async fn show(State(demands): State<Arc<Demands>>, Path(number): Path<i64>) -> Result<Json<Demand>, Failure> {
    Ok(Json(demands.get(number).await?))
}

async fn answer(
    State(demands): State<Arc<Demands>>,
    Path(number): Path<i64>,
    Json(answered): Json<Answered>,
) -> Result<Json<Demand>, Failure> {
    Ok(Json(demands.answer(number, answered).await?))
}
