//! GET and PUT /_domicile/admin/v1/users/{user}/jurisdiction (the country under whose law somebody lives)

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::get,
};
use domicile_app::{evidence::access_log::What, standing::Noted};
use serde::Deserialize;

use super::{AdminServices, noted, operator::By, users::user_id};
use crate::error::Failure;

pub(super) fn routes() -> Router<AdminServices> {
    Router::new().route("/_domicile/admin/v1/users/{user}/jurisdiction", get(show).put(note))
}

async fn show(State(services): State<AdminServices>, by: By, Path(user): Path<String>) -> Result<Json<Noted>, Failure> {
    let user_id = user_id(&services.accounts, &user)?;
    noted::note(&services, &user_id, &by, What::Jurisdiction).await?;
    Ok(Json(services.standing.jurisdictions.of(&user_id).await?))
}

#[derive(Deserialize)]
struct Note {
    jurisdiction: Option<String>,
    source: String,
}

async fn note(
    State(services): State<AdminServices>,
    by: By,
    Path(user): Path<String>,
    Json(note): Json<Note>,
) -> Result<Json<Noted>, Failure> {
    let user_id = user_id(&services.accounts, &user)?;
    noted::note(&services, &user_id, &by, What::Jurisdiction).await?;
    let noted = services.standing.jurisdictions.state(&user_id, note.jurisdiction.as_deref(), &note.source).await?;
    Ok(Json(noted))
}
