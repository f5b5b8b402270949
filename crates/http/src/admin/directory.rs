//! GET /_domicile/admin/v1/directory and …/places (whose home is where, who decides, and how full the region's cells are)

use std::sync::Arc;

use axum::{Json, Router, extract::State, routing::get};
use domicile_app::{accounts::Users, residency::Cells};
use domicile_core::error::ErrorKind;
use serde_json::{Value, json};

use super::AdminServices;
use crate::error::Failure;

pub(super) fn routes() -> Router<AdminServices> {
    Router::new()
        .route("/_domicile/admin/v1/directory", get(status))
        .route("/_domicile/admin/v1/directory/places", get(places))
}

async fn status(State(users): State<Arc<Users>>) -> Result<Json<Value>, Failure> {
    let names = &cells(&users)?.names;
    let status = names.status().await?;
    // A log that is broken is told, and not only that there is one.
    let log = if status.decides_here { Some(names.check_log().await.map_err(|error| error.to_string())) } else { None };
    let log = log.map(|checked| match checked {
        Ok(entries) => json!({ "ok": true, "entries": entries }),
        Err(wrong) => json!({ "ok": false, "error": wrong }),
    });
    Ok(Json(json!({ "status": status, "log": log })))
}

async fn places(State(users): State<Arc<Users>>) -> Result<Json<Value>, Failure> {
    Ok(Json(json!({ "places": cells(&users)?.placement.places().await })))
}

fn cells(users: &Users) -> Result<&Cells, Failure> {
    let none = || ErrorKind::NotFound.with("This server is no cell of a deployment: all names are its own.");
    Ok(users.localities().cells().ok_or_else(none)?)
}
