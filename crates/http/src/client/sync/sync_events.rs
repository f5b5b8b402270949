//! GET /_matrix/client/v3/sync (Syncing)

use std::{sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use domicile_app::sync::{Sync, SyncRequest};
use domicile_core::limits;
use ruma::api::client::{
    filter::FilterDefinition,
    sync::sync_events::v3::{Filter, Request},
};

use crate::{error::Failure, extract::Authed};

/// What is new for a device.
pub(super) async fn sync_events(State(sync): State<Arc<Sync>>, request: Authed<Request>) -> Result<Response, Failure> {
    let body = request.body;
    let filter = match body.filter {
        Some(Filter::FilterDefinition(filter)) => filter,
        Some(Filter::FilterId(filter_id)) => sync.filter(&request.session, &filter_id).await?,
        _ => FilterDefinition::empty(),
    };
    let longest = Duration::from_millis(limits::SYNC_TIMEOUT_MS);
    let wanted = SyncRequest {
        since: body.since.as_deref().map(str::parse).transpose()?,
        filter: Arc::new(filter),
        full_state: body.full_state,
        state_after: body.use_state_after,
        timeout: body.timeout.unwrap_or_default().min(longest),
    };
    let answer = sync.sync(&request.session, wanted).await?;
    let json = serde_json::to_vec(&answer).map_err(domicile_app::Error::internal)?;
    Ok(([(CONTENT_TYPE, "application/json")], json).into_response())
}
