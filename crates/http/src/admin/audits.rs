//! GET and POST /_domicile/admin/v1/audits (evidence of where data is)

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    routing::{get, post},
};
use domicile_app::{accounts::Users, evidence::verify::Wanted};
use serde_json::{Value, json};

use super::{AdminServices, Evidence};
use crate::error::Failure;

/// Largest report that is checked, in bytes.
const REPORT_BYTES: usize = 16 * 1024 * 1024;

pub(super) fn routes() -> Router<AdminServices> {
    Router::new()
        .route("/_domicile/admin/v1/audits", get(list).post(run))
        .route("/_domicile/admin/v1/audits/verify", post(verify).layer(DefaultBodyLimit::max(REPORT_BYTES)))
}

async fn run(State(evidence): State<Evidence>) -> Result<Json<Value>, Failure> {
    let made = evidence.audits.run().await?;
    Ok(Json(json!({ "number": made.number, "file": made.file, "sha256": made.hash, "document": made.document })))
}

async fn list(State(evidence): State<Evidence>) -> Result<Json<Value>, Failure> {
    let documents = evidence.audits.documents();
    let all: Vec<Value> = documents
        .all()?
        .into_iter()
        .map(|(number, file, document)| {
            json!({ "number": number, "kind": document["kind"], "made_ts": document["made_ts"], "file": file })
        })
        .collect();
    Ok(Json(json!({ "key": documents.public_key()?, "documents": all, "wrong": documents.chain()?.wrong })))
}

async fn verify(
    State(evidence): State<Evidence>,
    State(users): State<Arc<Users>>,
    Json(wanted): Json<Wanted>,
) -> Result<Json<Value>, Failure> {
    let verdict = evidence.audits.verify(wanted, &users).await?;
    Ok(Json(serde_json::to_value(verdict).map_err(domicile_app::Error::internal)?))
}
