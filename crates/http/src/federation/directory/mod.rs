//! The public directory.

mod get_public_rooms;
mod get_public_rooms_filtered;

use axum::Router;
use ruma::api::federation::directory as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<api::get_public_rooms::v1::Request, _, _>(get_public_rooms::get_public_rooms)
        .endpoint::<api::get_public_rooms_filtered::v1::Request, _, _>(
            get_public_rooms_filtered::get_public_rooms_filtered,
        )
}
