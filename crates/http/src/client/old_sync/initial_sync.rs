//! GET /_matrix/client/v3/initialSync (deprecated)

use std::sync::Arc;

use axum::{
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use domicile_app::sync::Sync;
use ruma::uint;

use super::InitialSync;
use crate::{error::Failure, extract::Authed};

/// Everything of a user's at once.
pub(super) async fn initial_sync(
    State(sync): State<Arc<Sync>>,
    request: Authed<InitialSync>,
) -> Result<Response, Failure> {
    let InitialSync { limit, archived } = request.body;
    let everything = sync.everything(&request.session, limit.unwrap_or(uint!(10)), archived).await?;
    let json = serde_json::to_vec(&everything).map_err(domicile_app::Error::internal)?;
    Ok(([(CONTENT_TYPE, "application/json")], json).into_response())
}
