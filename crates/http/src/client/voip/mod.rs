//! Calls.

mod get_turn_server_info;

use axum::Router;
use ruma::api::client::voip as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new().endpoint::<api::get_turn_server_info::v3::Request, _, _>(get_turn_server_info::get_turn_server_info)
}
