//! GET /_domicile/admin/v1/users/{user}/access_log (who looked at somebody's data)

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::get,
};
use domicile_app::{
    accounts::Accounts,
    evidence::access_log::{Look, What},
};
use serde_json::{Value, json};

use super::{AdminServices, Evidence, operator::By, users::user_id};
use crate::error::Failure;

pub(super) fn routes() -> Router<AdminServices> {
    Router::new().route("/_domicile/admin/v1/users/{user}/access_log", get(access_log))
}

/// Who reads the log is in it, too.
async fn access_log(
    State(accounts): State<Arc<Accounts>>,
    State(evidence): State<Evidence>,
    By { operator, reason }: By,
    Path(user): Path<String>,
) -> Result<Json<Value>, Failure> {
    let user_id = user_id(&accounts, &user)?;
    let user_num = accounts.local_num(&user_id).await?;
    evidence.access_log.note(user_num, Look { by: operator, what: What::AccessLog, reason }).await?;
    let told = evidence.access_log.of(user_num).await?;
    Ok(Json(json!({ "user_id": user_id, "entries": told.entries, "whole": told.whole })))
}
