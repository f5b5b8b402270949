//! GET /_domicile/admin/v1/directory, …/places and …/emergency/{user}, POST …/rescue, …/present and …/follow_anew, GET and POST …/key (whose home is
//! where, who decides, how full the region's cells are, a new home for people whose cell was revoked, the log fetched again, where it is the wrong one
//! of two, and another key for the hashes of names)

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{get, post},
};
use domicile_app::{
    accounts::{Accounts, Users},
    moves::{Emergency, LetGo, Moves},
    residency::Cells,
};
use domicile_core::error::ErrorKind;
use serde_json::{Value, json};

use super::{AdminServices, users::user_id};
use crate::error::Failure;

pub(super) fn routes() -> Router<AdminServices> {
    Router::new()
        .route("/_domicile/admin/v1/directory", get(status))
        .route("/_domicile/admin/v1/directory/places", get(places))
        .route("/_domicile/admin/v1/directory/present", post(present))
        .route("/_domicile/admin/v1/directory/emergency/{user}", get(emergency))
        .route("/_domicile/admin/v1/directory/rescue", post(rescue))
        .route("/_domicile/admin/v1/directory/follow_anew", post(follow_anew))
        .route("/_domicile/admin/v1/directory/key", get(key).post(rotate_key))
}

async fn status(State(users): State<Arc<Users>>) -> Result<Json<Value>, Failure> {
    let names = &cells(&users)?.names;
    let status = names.status().await?;
    // A log that is broken is told, and not only that there is one.
    let is_whole = status.holds && status.rotation.is_none();
    let log = if is_whole { Some(names.check_log().await.map_err(|error| error.to_string())) } else { None };
    let log = log.map(|checked| match checked {
        Ok(entries) => json!({ "ok": true, "entries": entries }),
        Err(wrong) => json!({ "ok": false, "error": wrong }),
    });
    Ok(Json(json!({ "status": status, "log": log })))
}

/// Brings the tickets of this cell's people to the deciding cell, which was restored.
async fn present(State(users): State<Arc<Users>>) -> Result<Json<Value>, Failure> {
    Ok(Json(json!({ "people": cells(&users)?.names.present_all().await? })))
}

async fn places(State(users): State<Arc<Users>>) -> Result<Json<Value>, Failure> {
    Ok(Json(json!({ "places": cells(&users)?.placement.places().await? })))
}

async fn follow_anew(State(users): State<Arc<Users>>) -> Result<Json<Value>, Failure> {
    let cells = cells(&users)?;
    cells.names.followers().follow_anew().await?;
    Ok(Json(json!({ "decider": cells.own.document().decider.cell.as_str() })))
}

/// How far the log is hashed anew, here and at the cells that follow.
async fn key(State(users): State<Arc<Users>>) -> Result<Json<Value>, Failure> {
    let (rotation, followers) = cells(&users)?.names.rotation().await?;
    Ok(Json(json!({ "rotation": rotation, "followers": followers })))
}

async fn rotate_key(State(users): State<Arc<Users>>) -> Result<Json<Value>, Failure> {
    Ok(Json(json!({ "entries": cells(&users)?.names.rotate_key().await? })))
}

async fn emergency(
    State(accounts): State<Arc<Accounts>>,
    State(moves): State<Arc<Moves>>,
    Path(user): Path<String>,
) -> Result<Json<Emergency>, Failure> {
    Ok(Json(moves.emergency(&user_id(&accounts, &user)?).await?))
}

async fn rescue(State(moves): State<Arc<Moves>>, Json(let_go): Json<LetGo>) -> Result<Json<Value>, Failure> {
    moves.rescue(&let_go).await?;
    Ok(Json(json!({ "user_id": let_go.user_id })))
}

fn cells(users: &Users) -> Result<&Cells, Failure> {
    let none = || ErrorKind::NotFound.with("This server is no cell of a deployment: all names are its own.");
    Ok(users.localities().cells().ok_or_else(none)?)
}
