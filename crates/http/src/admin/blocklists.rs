//! GET /_domicile/admin/v1/blocklists, …/listings and …/alerts, POST …/{name}/fetch (registers of what is blocked that are watched)

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    routing::{get, post},
};
use domicile_app::{blocklists::Blocklists, standing::Signs};
use serde::Deserialize;
use serde_json::Value;

use super::AdminServices;
use crate::error::Failure;

pub(super) fn routes() -> Router<AdminServices> {
    Router::new()
        .route("/_domicile/admin/v1/blocklists", get(status))
        .route("/_domicile/admin/v1/blocklists/listings", get(listings))
        .route("/_domicile/admin/v1/blocklists/alerts", get(alerts))
        .route("/_domicile/admin/v1/blocklists/{name}/fetch", post(fetch))
}

async fn status(State(blocklists): State<Arc<Blocklists>>) -> Result<Json<Value>, Failure> {
    Ok(Json(blocklists.status().await?))
}

async fn listings(State(blocklists): State<Arc<Blocklists>>) -> Result<Json<Value>, Failure> {
    Ok(Json(blocklists.listings().await?))
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    after: i64,
}

async fn alerts(State(blocklists): State<Arc<Blocklists>>, Query(page): Query<Page>) -> Result<Json<Value>, Failure> {
    Ok(Json(blocklists.alerts(page.after).await?))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Fetch {
    accept_smaller: bool,
}

async fn fetch(
    State(blocklists): State<Arc<Blocklists>>,
    State(signs): State<Arc<Signs>>,
    Path(name): Path<String>,
    Json(body): Json<Fetch>,
) -> Result<Json<Value>, Failure> {
    let looked = blocklists.fetch(&name, body.accept_smaller).await?;
    signs.look().await?;
    Ok(Json(looked.json))
}
