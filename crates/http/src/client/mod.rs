//! The Client-Server API, one folder an area, one file an endpoint.

pub mod account;
pub mod admin;
pub mod alias;
pub mod authenticated_media;
pub mod backup;
pub mod config;
pub mod context;
pub mod dehydrated_device;
pub mod device;
pub mod directory;
pub mod discovery;
pub mod filter;
pub mod jurisdiction;
pub mod keys;
pub mod knock;
pub mod media;
pub mod membership;
pub mod message;
pub mod old_sync;
pub mod peeking;
pub mod presence;
pub mod profile;
pub mod push;
pub mod read_marker;
pub mod receipt;
pub mod redact;
pub mod relations;
pub mod reporting;
pub mod room;
pub mod search;
pub mod session;
pub mod space;
pub mod state;
pub mod sync;
pub mod tag;
pub mod thirdparty;
pub mod threads;
pub mod to_device;
pub mod typing;
pub mod user_directory;
pub mod voip;

use axum::Router;

use crate::state::Services;

/// The routes of media, which a listener can serve by themselves.
pub fn media_routes() -> Router<Services> {
    Router::new().merge(authenticated_media::routes()).merge(media::routes())
}

/// All other routes of the Client-Server API.
pub fn routes() -> Router<Services> {
    Router::new()
        .merge(account::routes())
        .merge(admin::routes())
        .merge(alias::routes())
        .merge(backup::routes())
        .merge(config::routes())
        .merge(context::routes())
        .merge(dehydrated_device::routes())
        .merge(device::routes())
        .merge(directory::routes())
        .merge(discovery::routes())
        .merge(filter::routes())
        .merge(jurisdiction::routes())
        .merge(keys::routes())
        .merge(knock::routes())
        .merge(membership::routes())
        .merge(message::routes())
        .merge(old_sync::routes())
        .merge(peeking::routes())
        .merge(presence::routes())
        .merge(profile::routes())
        .merge(push::routes())
        .merge(read_marker::routes())
        .merge(receipt::routes())
        .merge(redact::routes())
        .merge(relations::routes())
        .merge(reporting::routes())
        .merge(room::routes())
        .merge(search::routes())
        .merge(session::routes())
        .merge(space::routes())
        .merge(state::routes())
        .merge(sync::routes())
        .merge(tag::routes())
        .merge(thirdparty::routes())
        .merge(threads::routes())
        .merge(to_device::routes())
        .merge(typing::routes())
        .merge(user_directory::routes())
        .merge(voip::routes())
}
