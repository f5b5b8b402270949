//! Presence.

mod get_presence;
mod set_presence;

use axum::Router;
use ruma::api::client::presence as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<api::get_presence::v3::Request, _, _>(get_presence::get_presence)
        .endpoint::<api::set_presence::v3::Request, _, _>(set_presence::set_presence)
}
