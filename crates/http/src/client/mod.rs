//! The Client-Server API, one folder an area, one file an endpoint.

pub mod account;
pub mod backup;
pub mod dehydrated_device;
pub mod keys;
pub mod knock;
pub mod membership;
pub mod message;
pub mod read_marker;
pub mod receipt;
pub mod redact;
pub mod room;
pub mod state;
pub mod session;
pub mod sync;
pub mod to_device;
pub mod typing;

use axum::Router;

use crate::state::Services;

/// All routes of the Client-Server API.
pub fn routes() -> Router<Services> {
    Router::new()
        .merge(account::routes())
        .merge(backup::routes())
        .merge(dehydrated_device::routes())
        .merge(keys::routes())
        .merge(knock::routes())
        .merge(membership::routes())
        .merge(message::routes())
        .merge(read_marker::routes())
        .merge(receipt::routes())
        .merge(redact::routes())
        .merge(room::routes())
        .merge(state::routes())
        .merge(sync::routes())
        .merge(session::routes())
        .merge(to_device::routes())
        .merge(typing::routes())
}
