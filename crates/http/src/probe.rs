//! GET /_domicile/probe/v1/download and /outside, POST /_domicile/probe/v1/reports (whether this deployment can be reached)

use std::sync::{Arc, LazyLock};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    http::header,
    response::IntoResponse,
    routing::{get, post},
};
use bytes::Bytes;
use domicile_app::probes::{Probes, vantages::Signed};
use domicile_core::{
    error::ErrorKind,
    rng::{Rng, SeededRng},
};
use serde_json::{Value, json};

use crate::{error::Failure, state::Services};

/// Bytes of the download: enough to tell a speed from.
const DOWNLOAD: usize = 64 * 1024;
/// Bytes of a report.
const REPORT: usize = 2 * 1024 * 1024;

/// What does not get smaller when it is pressed.
static BYTES: LazyLock<Bytes> = LazyLock::new(|| {
    let mut bytes = vec![0; DOWNLOAD];
    SeededRng::new(0).fill(&mut bytes);
    Bytes::from(bytes)
});

pub(crate) fn routes() -> Router<Services> {
    Router::new()
        .route("/_domicile/probe/v1/download", get(download))
        .route("/_domicile/probe/v1/outside", get(outside))
        .route("/_domicile/probe/v1/reports", post(report).layer(DefaultBodyLimit::max(REPORT)))
}

async fn download() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/octet-stream"), (header::CACHE_CONTROL, "no-store")], BYTES.clone())
}

async fn outside(State(probes): State<Arc<Probes>>) -> Result<Json<Value>, Failure> {
    Ok(Json(json!({ "outside": probes.outside().await? })))
}

async fn report(State(probes): State<Arc<Probes>>, body: Bytes) -> Result<Json<Value>, Failure> {
    let signed: Signed = serde_json::from_slice(&body)
        .map_err(|error| ErrorKind::BadJson.with(format!("The report cannot be read: {error}")))?;
    probes.take(signed).await?;
    Ok(Json(json!({})))
}
