//! GET and POST /_domicile/admin/v1/audits (evidence of where data is)

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    routing::{get, post},
};
use bytes::Bytes;
use domicile_app::evidence::{deployment::Audited, verify::Wanted};
use serde::Deserialize;
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

/// What is wanted.
#[derive(Default, Deserialize)]
struct Run {
    /// Whether the reports of all cells are.
    #[serde(default)]
    deployment: bool,
}

async fn run(State(evidence): State<Evidence>, body: Bytes) -> Result<Json<Value>, Failure> {
    let Run { deployment } = serde_json::from_slice(&body).unwrap_or_default();
    if deployment {
        let (made, reports) = evidence.audits.of_deployment(&evidence.witness).await?;
        return Ok(Json(json!({
            "number": made.number, "file": made.file, "sha256": made.hash, "document": made.document, "reports": reports,
        })));
    }
    let Audited { signed: made, witnesses } = evidence.audits.run_witnessed(&evidence.witness).await?;
    Ok(Json(json!({
        "number": made.number, "file": made.file, "sha256": made.hash, "document": made.document, "witnesses": witnesses,
    })))
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
    Ok(Json(json!({ "key": documents.public_key()?, "documents": all, "wrong": documents.in_folder().chain()?.wrong })))
}

async fn verify(State(evidence): State<Evidence>, Json(wanted): Json<Wanted>) -> Result<Json<Value>, Failure> {
    let verdict = evidence.audits.verify(wanted, &evidence.witness).await?;
    Ok(Json(serde_json::to_value(verdict).map_err(domicile_app::Error::internal)?))
}
