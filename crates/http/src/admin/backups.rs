//! POST /_domicile/admin/v1/backups (backups of the running cell)

use std::{path::PathBuf, sync::Arc};

use axum::{Json, Router, extract::State, routing::post};
use domicile_app::admin::Backups;
use serde::Deserialize;
use serde_json::{Value, json};

use super::AdminServices;
use crate::error::Failure;

pub(super) fn routes() -> Router<AdminServices> {
    Router::new().route("/_domicile/admin/v1/backups", post(create))
}

#[derive(Deserialize)]
struct Create {
    folder: PathBuf,
    recipients: Vec<String>,
}

async fn create(State(backups): State<Arc<Backups>>, Json(wanted): Json<Create>) -> Result<Json<Value>, Failure> {
    let made = backups.create(wanted.folder, &wanted.recipients).await?;
    Ok(Json(json!({
        "data": made.data, "keystore": made.keystore, "bytes": made.bytes, "media_files": made.media_files,
    })))
}
