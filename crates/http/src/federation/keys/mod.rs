//! Keys of local users, asked for and claimed by other servers.

mod claim_keys;
mod get_keys;

use axum::Router;
use ruma::api::federation::keys as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<api::claim_keys::v1::Request, _, _>(claim_keys::claim_keys)
        .endpoint::<api::get_keys::v1::Request, _, _>(get_keys::get_keys)
}
