//! What stands around events.

mod get_context;

use axum::Router;
use ruma::api::client::context as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new().endpoint::<api::get_context::v3::Request, _, _>(get_context::get_context)
}
