//! Finding this server and its keys, and others' keys.

mod discover_homeserver;
mod get_remote_server_keys;
mod get_remote_server_keys_batch;
mod get_server_keys;
mod get_server_version;

use axum::Router;
use ruma::api::federation::discovery as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<api::discover_homeserver::Request, _, _>(discover_homeserver::discover_homeserver)
        .endpoint::<api::get_remote_server_keys::v2::Request, _, _>(get_remote_server_keys::get_remote_server_keys)
        .endpoint::<api::get_remote_server_keys_batch::v2::Request, _, _>(
            get_remote_server_keys_batch::get_remote_server_keys_batch,
        )
        .endpoint::<api::get_server_keys::v2::Request, _, _>(get_server_keys::get_server_keys)
        .endpoint::<api::get_server_version::v1::Request, _, _>(get_server_version::get_server_version)
}
