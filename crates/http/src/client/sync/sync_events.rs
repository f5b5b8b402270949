//! GET /_matrix/client/v3/sync (Syncing)

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

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

use crate::{
    error::Failure,
    extract::{Authed, Boxed},
};

/// The filter of who gives none, shared by all of them.
static EVERYTHING: LazyLock<Arc<FilterDefinition>> = LazyLock::new(|| Arc::new(FilterDefinition::empty()));

/// What is new for a device.
pub(super) async fn sync_events(
    State(sync): State<Arc<Sync>>,
    Boxed(request): Boxed<Authed<Request>>,
) -> Result<Response, Failure> {
    let session = Arc::clone(&request.session);
    // Whoever waits holds what was asked for in its short form only.
    let wanted = Box::pin(wanted(&sync, request)).await?;
    let answer = sync.sync(session, wanted).await?;
    let json = serde_json::to_vec(&answer).map_err(domicile_app::Error::internal)?;
    Ok(([(CONTENT_TYPE, "application/json")], json).into_response())
}

async fn wanted(sync: &Sync, request: Box<Authed<Request>>) -> Result<Arc<SyncRequest>, Failure> {
    let (body, session) = (request.body, request.session);
    let filter = match body.filter {
        Some(Filter::FilterDefinition(filter)) => Arc::new(filter),
        Some(Filter::FilterId(filter_id)) => Arc::new(sync.filter(&session, &filter_id).await?),
        _ => Arc::clone(&EVERYTHING),
    };
    let longest = Duration::from_millis(limits::SYNC_TIMEOUT_MS);
    Ok(Arc::new(SyncRequest {
        since: body.since.as_deref().map(str::parse).transpose()?,
        filter,
        full_state: body.full_state,
        state_after: body.use_state_after,
        set_presence: body.set_presence,
        timeout: body.timeout.unwrap_or_default().min(longest),
    }))
}
