//! Looking into rooms.

mod get_current_state;

use axum::Router;
use ruma::api::client::peeking as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new().endpoint::<api::get_current_state::v3::Request, _, _>(get_current_state::get_current_state)
}
