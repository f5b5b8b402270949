//! GET /_domicile/admin/v1/federation/servers/{name}, POST /_domicile/admin/v1/federation/keys (other servers, and our keys for them)

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{get, post},
};
use domicile_app::federation::{Check, OwnKeys};
use domicile_core::error::ErrorKind;
use ruma::OwnedServerName;
use serde_json::{Value, json};

use super::AdminServices;
use crate::error::Failure;

pub(super) fn routes() -> Router<AdminServices> {
    Router::new()
        .route("/_domicile/admin/v1/federation/servers/{name}", get(check))
        .route("/_domicile/admin/v1/federation/keys", post(rotate))
}

async fn check(State(check): State<Arc<Check>>, Path(name): Path<String>) -> Result<Json<Value>, Failure> {
    let name = OwnedServerName::try_from(name)
        .map_err(|_| ErrorKind::InvalidParam.with("This cannot be a server's name: use one such as example.org."))?;
    Ok(Json(check.check(&name).await.json()))
}

async fn rotate(State(keys): State<Arc<OwnKeys>>) -> Result<Json<Value>, Failure> {
    let rotation = keys.rotate().await?;
    Ok(Json(json!({ "old": rotation.old, "new": rotation.new })))
}
