//! Redactions.

mod redact_event;

use axum::Router;
use ruma::api::client::redact as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new().endpoint::<api::redact_event::v3::Request, _, _>(redact_event::redact_event)
}
