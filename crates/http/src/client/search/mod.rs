//! Searching.

mod search_events;

use axum::Router;
use ruma::api::client::search as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new().endpoint::<api::search_events::v3::Request, _, _>(search_events::search_events)
}
