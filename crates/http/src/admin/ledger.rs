//! GET /_domicile/admin/v1/ledger (what crossed a border, by day)

use axum::{
    Json, Router,
    extract::{Query, State},
    routing::get,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{AdminServices, Evidence};
use crate::error::Failure;

pub(super) fn routes() -> Router<AdminServices> {
    Router::new().route("/_domicile/admin/v1/ledger", get(ledger))
}

/// Days counted from the epoch.
#[derive(Deserialize)]
struct Days {
    from: i64,
    to: i64,
}

async fn ledger(State(evidence): State<Evidence>, Query(days): Query<Days>) -> Result<Json<Value>, Failure> {
    Ok(Json(json!({ "crossings": evidence.ledger.between(days.from, days.to).await? })))
}
