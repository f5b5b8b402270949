//! What is spoken here, and what users can do.

mod get_capabilities;
mod get_supported_versions;

use axum::Router;
use ruma::api::client::discovery as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<api::get_capabilities::v3::Request, _, _>(get_capabilities::get_capabilities)
        .endpoint::<api::get_supported_versions::Request, _, _>(get_supported_versions::get_supported_versions)
}
