//! GET and POST /_domicile/admin/v1/exports (all that is held about somebody, for them)

use std::{path::PathBuf, sync::Arc};

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{get, post},
};
use domicile_app::{accounts::Accounts, evidence::export::Wanted};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{AdminServices, Evidence, operator::By, users::user_id};
use crate::error::Failure;

pub(super) fn routes() -> Router<AdminServices> {
    Router::new()
        .route("/_domicile/admin/v1/exports", get(list).post(request))
        .route("/_domicile/admin/v1/exports/{id}/confirm", post(confirm))
}

#[derive(Deserialize)]
struct Request {
    user: String,
    recipient: String,
    file: PathBuf,
}

async fn request(
    State(evidence): State<Evidence>,
    State(accounts): State<Arc<Accounts>>,
    By { operator, reason }: By,
    Json(body): Json<Request>,
) -> Result<Json<Value>, Failure> {
    let user_id = user_id(&accounts, &body.user)?;
    let wanted = Wanted {
        user_id: user_id.clone(),
        recipient: body.recipient,
        file: body.file,
        by: operator,
        reason: reason.unwrap_or_default(),
    };
    let id = evidence.exports.request(wanted).await?;
    Ok(Json(json!({ "id": id, "user_id": user_id })))
}

async fn list(State(evidence): State<Evidence>) -> Result<Json<Value>, Failure> {
    let requests: Vec<Value> = evidence
        .exports
        .list()
        .await?
        .into_iter()
        .map(|(user_id, row)| {
            json!({
                "id": row.request_id, "user_id": user_id, "created_ts": row.created_ts, "recipient": row.recipient,
                "file": row.file, "requested_by": row.requested_by, "reason": row.reason,
                "confirmed_by": row.confirmed_by, "confirmed_ts": row.confirmed_ts,
            })
        })
        .collect();
    Ok(Json(json!({ "requests": requests })))
}

async fn confirm(
    State(evidence): State<Evidence>,
    By { operator, .. }: By,
    Path(id): Path<String>,
) -> Result<Json<Value>, Failure> {
    let made = evidence.exports.confirm(&id, operator).await?;
    Ok(Json(json!({ "number": made.number, "file": made.file, "sha256": made.hash, "document": made.document })))
}
