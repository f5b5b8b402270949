//! The Client-Server API, one folder an area, one file an endpoint.

pub mod account;
pub mod backup;
pub mod dehydrated_device;
pub mod keys;
pub mod session;
pub mod to_device;

use axum::Router;

use crate::state::Services;

/// All routes of the Client-Server API.
pub fn routes() -> Router<Services> {
    Router::new()
        .merge(account::routes())
        .merge(backup::routes())
        .merge(dehydrated_device::routes())
        .merge(keys::routes())
        .merge(session::routes())
        .merge(to_device::routes())
}
