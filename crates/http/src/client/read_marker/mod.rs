//! Fully read markers.

mod set_read_marker;

use axum::Router;
use ruma::api::client::read_marker as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new().endpoint::<api::set_read_marker::v3::Request, _, _>(set_read_marker::set_read_marker)
}
