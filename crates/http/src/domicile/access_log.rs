//! GET /_domicile/client/v1/access_log (who looked at the caller's data)

use std::sync::Arc;

use axum::{Json, Router, extract::State, routing::get};
use domicile_app::evidence::{AccessLog, access_log::Log};

use crate::{error::Failure, extract::Caller, state::Services};

pub(super) fn routes() -> Router<Services> {
    Router::new().route("/_domicile/client/v1/access_log", get(access_log))
}

/// The log of the caller, and of nobody else.
async fn access_log(State(log): State<Arc<AccessLog>>, Caller(session): Caller) -> Result<Json<Log>, Failure> {
    Ok(Json(log.of(session.user_num).await?))
}
