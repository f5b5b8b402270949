//! GET /health (for load balancers and monitors)

use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use domicile_app::{admin::Health, restore::Fence};
use serde_json::json;
use std::sync::Arc;

/// The route: 200 when the database answers, 503 when it does not, or while the cell is restored and serves nobody yet.
pub fn routes(health: Arc<Health>) -> Router {
    Router::new().route("/health", get(answer)).with_state(health)
}

async fn answer(State(health): State<Arc<Health>>) -> impl IntoResponse {
    match health.check().await {
        Ok(None) => (StatusCode::OK, Json(json!({ "status": "ok" }))),
        Ok(Some(fence)) => {
            let told = json!({ "status": Fence::told().message, "restore": fence });
            (StatusCode::SERVICE_UNAVAILABLE, Json(told))
        }
        Err(error) => {
            tracing::error!(%error, "the database does not answer");
            (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "the database does not answer" })))
        }
    }
}
