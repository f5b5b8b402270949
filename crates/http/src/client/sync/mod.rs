//! Syncing.

mod sync_events;

use axum::Router;
use ruma::api::client::sync as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new().endpoint::<api::sync_events::v3::Request, _, _>(sync_events::sync_events)
}
