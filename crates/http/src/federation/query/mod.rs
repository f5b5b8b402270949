//! Questions about users and rooms.

mod get_custom_information;
mod get_profile_information;
mod get_room_information;

use axum::Router;
use ruma::api::federation::query as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<api::get_profile_information::v1::Request, _, _>(get_profile_information::get_profile_information)
        .endpoint::<api::get_room_information::v1::Request, _, _>(get_room_information::get_room_information)
        .endpoint::<api::get_custom_information::v1::Request, _, _>(get_custom_information::get_custom_information)
}
