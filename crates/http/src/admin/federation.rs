//! GET /_domicile/admin/v1/federation/servers/{name}, POST /_domicile/admin/v1/federation/keys (other servers, and our keys for them),
//! GET /_domicile/admin/v1/federation/partial_rooms (rooms whose members are being fetched)

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{get, post},
};
use domicile_app::federation::{Check, Completion, OwnKeys};
use domicile_core::error::ErrorKind;
use ruma::OwnedServerName;
use serde_json::{Value, json};

use super::AdminServices;
use crate::error::Failure;

pub(super) fn routes() -> Router<AdminServices> {
    Router::new()
        .route("/_domicile/admin/v1/federation/servers/{name}", get(check))
        .route("/_domicile/admin/v1/federation/keys", post(rotate))
        .route("/_domicile/admin/v1/federation/partial_rooms", get(partial_rooms))
}

async fn check(State(check): State<Arc<Check>>, Path(name): Path<String>) -> Result<Json<Value>, Failure> {
    let name = OwnedServerName::try_from(name)
        .map_err(|_| ErrorKind::InvalidParam.with("This cannot be a server's name: use one such as example.org."))?;
    Ok(Json(check.check(&name).await.json()))
}

async fn rotate(State(keys): State<Arc<OwnKeys>>) -> Result<Json<Value>, Failure> {
    let rotation = keys.rotate().await?;
    let key = format!("ed25519:{}", rotation.key);
    Ok(Json(json!({ "old": rotation.old, "new": rotation.new, "key": key, "waits": rotation.waits })))
}

/// Rooms that were joined before all of their members were known: since when, and what stands in the way.
async fn partial_rooms(State(completion): State<Arc<Completion>>) -> Result<Json<Value>, Failure> {
    let rooms: Vec<Value> = completion
        .rooms()
        .await?
        .into_iter()
        .map(|(room_id, row)| {
            json!({
                "room_id": room_id, "joined_ts": row.begun_ts, "attempts": row.attempts, "retry_ts": row.due_ts,
                "last_error": row.last_error,
            })
        })
        .collect();
    Ok(Json(json!({ "rooms": rooms })))
}
