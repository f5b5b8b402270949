//! POST /_domicile/admin/v1/users/{user}/erase (removing a person)

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::post,
};
use domicile_app::accounts::Accounts;
use serde_json::{Value, json};

use super::{AdminServices, Evidence, operator::By, users::user_id};
use crate::error::Failure;

pub(super) fn routes() -> Router<AdminServices> {
    Router::new().route("/_domicile/admin/v1/users/{user}/erase", post(erase))
}

async fn erase(
    State(evidence): State<Evidence>,
    State(accounts): State<Arc<Accounts>>,
    By { operator, reason }: By,
    Path(user): Path<String>,
) -> Result<Json<Value>, Failure> {
    let user_id = user_id(&accounts, &user)?;
    let made = evidence.erasures.erase(&user_id, operator, reason.unwrap_or_default()).await?;
    Ok(Json(json!({ "number": made.number, "file": made.file, "sha256": made.hash, "document": made.document })))
}
