//! GET /_domicile/admin/v1/processing (the record of processing, and the skeleton of a transfer assessment)

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Query, State},
    routing::get,
};
use domicile_app::standing::{Processing, dossiers::Format};
use serde::Deserialize;
use serde_json::{Value, json};

use super::AdminServices;
use crate::error::Failure;

pub(super) fn routes() -> Router<AdminServices> {
    Router::new()
        .route("/_domicile/admin/v1/processing/record", get(record))
        .route("/_domicile/admin/v1/processing/transfers", get(transfers))
}

#[derive(Deserialize)]
struct As {
    #[serde(default)]
    format: Format,
}

async fn record(State(processing): State<Arc<Processing>>, Query(written): Query<As>) -> Json<Value> {
    Json(json!({ "text": processing.record().write(written.format) }))
}

async fn transfers(
    State(processing): State<Arc<Processing>>,
    Query(written): Query<As>,
) -> Result<Json<Value>, Failure> {
    Ok(Json(json!({ "text": processing.transfers().await?.write(written.format) })))
}
