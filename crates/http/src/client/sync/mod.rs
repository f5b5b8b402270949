//! Syncing.

mod sliding_sync;
mod sync_events;

use axum::{Router, routing::post};
use ruma::api::client::sync as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<api::sync_events::v3::Request, _, _>(sync_events::sync_events)
        .endpoint::<api::sync_events::v5::Request, _, _>(sliding_sync::sliding_sync)
        .route("/_matrix/client/v4/sync", post(sliding_sync::sliding_sync))
}
