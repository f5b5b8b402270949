//! POST /_matrix/client/unstable/org.matrix.simplified_msc3575/sync (MSC4186: simplified sliding sync)

use std::sync::Arc;

use axum::{
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use domicile_app::sync::SlidingSync;
use ruma::api::client::sync::sync_events::v5::Request;

use crate::{
    error::Failure,
    extract::{Authed, Boxed},
};

/// What is new in the windows of a connection.
pub(super) async fn sliding_sync(
    State(sync): State<Arc<SlidingSync>>,
    Boxed(request): Boxed<Authed<Request>>,
) -> Result<Response, Failure> {
    let Authed { session, body, .. } = *request;
    let answer = sync.sync(session, Arc::new(body)).await?;
    let json = serde_json::to_vec(&answer).map_err(domicile_app::Error::internal)?;
    Ok(([(CONTENT_TYPE, "application/json")], json).into_response())
}
