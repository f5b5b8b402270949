//! What allows events.

mod get_event_authorization;

use axum::Router;
use ruma::api::federation::authorization as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<api::get_event_authorization::v1::Request, _, _>(get_event_authorization::get_event_authorization)
}
