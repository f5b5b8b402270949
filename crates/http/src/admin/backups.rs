//! GET and POST /_domicile/admin/v1/backups (backups of the running cell, and their inventory)

use std::{path::PathBuf, sync::Arc};

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{get, post},
};
use domicile_app::admin::{Backups, WantedBackup};
use serde::Deserialize;
use serde_json::{Value, json};

use super::AdminServices;
use crate::error::Failure;

pub(super) fn routes() -> Router<AdminServices> {
    Router::new()
        .route("/_domicile/admin/v1/backups", get(list).post(create))
        .route("/_domicile/admin/v1/backups/{number}/confirm", post(confirm))
        .route("/_domicile/admin/v1/backups/{number}/gone", post(gone))
}

#[derive(Deserialize)]
struct Create {
    folder: PathBuf,
    recipients: Vec<String>,
    #[serde(default)]
    keep_days: Option<u32>,
    #[serde(default)]
    place: Option<String>,
}

async fn create(State(backups): State<Arc<Backups>>, Json(wanted): Json<Create>) -> Result<Json<Value>, Failure> {
    let Create { folder, recipients, keep_days, place } = wanted;
    let made = backups.create(WantedBackup { folder, recipients, keep_days, place }).await?;
    Ok(Json(json!({
        "data": made.data, "keystore": made.keystore, "bytes": made.bytes, "media_files": made.media_files,
        "expires_ts": made.manifest.expires_ts, "classes": made.manifest.classes,
    })))
}

async fn list(State(backups): State<Arc<Backups>>) -> Result<Json<Value>, Failure> {
    Ok(Json(json!({ "backups": backups.list().await? })))
}

#[derive(Deserialize)]
struct Confirm {
    #[serde(default)]
    place: Option<String>,
}

async fn confirm(
    State(backups): State<Arc<Backups>>,
    Path(number): Path<i64>,
    Json(confirmed): Json<Confirm>,
) -> Result<Json<Value>, Failure> {
    backups.confirm(number, confirmed.place.as_deref()).await?;
    Ok(Json(json!({ "backup_num": number })))
}

async fn gone(State(backups): State<Arc<Backups>>, Path(number): Path<i64>) -> Result<Json<Value>, Failure> {
    backups.gone(number).await?;
    Ok(Json(json!({ "backup_num": number })))
}
