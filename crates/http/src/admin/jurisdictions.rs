//! GET and PUT /_domicile/admin/v1/users/{user}/jurisdiction (the country under whose law somebody lives)

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::get,
};
use domicile_app::{
    accounts::Accounts,
    standing::{Jurisdictions, Noted},
};
use serde::Deserialize;

use super::{AdminServices, users::user_id};
use crate::error::Failure;

pub(super) fn routes() -> Router<AdminServices> {
    Router::new().route("/_domicile/admin/v1/users/{user}/jurisdiction", get(show).put(note))
}

async fn show(
    State(accounts): State<Arc<Accounts>>,
    State(jurisdictions): State<Arc<Jurisdictions>>,
    Path(user): Path<String>,
) -> Result<Json<Noted>, Failure> {
    Ok(Json(jurisdictions.of(&user_id(&accounts, &user)?).await?))
}

#[derive(Deserialize)]
struct Note {
    jurisdiction: Option<String>,
    source: String,
}

async fn note(
    State(accounts): State<Arc<Accounts>>,
    State(jurisdictions): State<Arc<Jurisdictions>>,
    Path(user): Path<String>,
    Json(note): Json<Note>,
) -> Result<Json<Noted>, Failure> {
    let user_id = user_id(&accounts, &user)?;
    Ok(Json(jurisdictions.state(&user_id, note.jurisdiction.as_deref(), &note.source).await?))
}
