//! GET /_domicile/admin/v1/directory (whose home is where, and who decides)

use std::sync::Arc;

use axum::{Json, Router, extract::State, routing::get};
use domicile_app::accounts::Users;
use domicile_core::error::ErrorKind;
use serde_json::{Value, json};

use super::AdminServices;
use crate::error::Failure;

pub(super) fn routes() -> Router<AdminServices> {
    Router::new().route("/_domicile/admin/v1/directory", get(status))
}

async fn status(State(users): State<Arc<Users>>) -> Result<Json<Value>, Failure> {
    let none = || ErrorKind::NotFound.with("This server is no cell of a deployment: all names are its own.");
    let names = &users.localities().cells().ok_or_else(none)?.names;
    let status = names.status().await?;
    // A log that is broken is told, and not only that there is one.
    let log = if status.decides_here { Some(names.check_log().await.map_err(|error| error.to_string())) } else { None };
    let log = log.map(|checked| match checked {
        Ok(entries) => json!({ "ok": true, "entries": entries }),
        Err(wrong) => json!({ "ok": false, "error": wrong }),
    });
    Ok(Json(json!({ "status": status, "log": log })))
}
