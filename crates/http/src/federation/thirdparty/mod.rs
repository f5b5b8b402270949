//! Invitations by addresses outside of Matrix.

mod bind_callback;
mod exchange_invite;

use axum::Router;
use ruma::api::federation::thirdparty as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<api::bind_callback::v1::Request, _, _>(bind_callback::bind_callback)
        .endpoint::<api::exchange_invite::v1::Request, _, _>(exchange_invite::exchange_invite)
}
