//! Threads of rooms.

mod get_threads;

use axum::Router;
use ruma::api::client::threads as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new().endpoint::<api::get_threads::v1::Request, _, _>(get_threads::get_threads)
}
