//! What is spoken here, and what users can do.

mod discover_homeserver;
mod discover_policy_server;
mod discover_support;
mod get_authorization_server_metadata;
mod get_capabilities;
mod get_supported_versions;

use axum::Router;
use ruma::api::client::discovery as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<api::discover_homeserver::Request, _, _>(discover_homeserver::discover_homeserver)
        .endpoint::<api::discover_policy_server::Request, _, _>(discover_policy_server::discover_policy_server)
        .endpoint::<api::discover_support::Request, _, _>(discover_support::discover_support)
        .endpoint::<api::get_authorization_server_metadata::v1::Request, _, _>(
            get_authorization_server_metadata::get_authorization_server_metadata,
        )
        .endpoint::<api::get_capabilities::v3::Request, _, _>(get_capabilities::get_capabilities)
        .endpoint::<api::get_supported_versions::Request, _, _>(get_supported_versions::get_supported_versions)
}
