//! Networks that bridges lead to: none, as application services cannot be registered.

mod get_location_for_protocol;
mod get_location_for_room_alias;
mod get_protocol;
mod get_protocols;
mod get_user_for_protocol;
mod get_user_for_user_id;

use axum::Router;
use ruma::api::client::thirdparty as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<api::get_location_for_protocol::v3::Request, _, _>(
            get_location_for_protocol::get_location_for_protocol,
        )
        .endpoint::<api::get_location_for_room_alias::v3::Request, _, _>(
            get_location_for_room_alias::get_location_for_room_alias,
        )
        .endpoint::<api::get_protocol::v3::Request, _, _>(get_protocol::get_protocol)
        .endpoint::<api::get_protocols::v3::Request, _, _>(get_protocols::get_protocols)
        .endpoint::<api::get_user_for_protocol::v3::Request, _, _>(get_user_for_protocol::get_user_for_protocol)
        .endpoint::<api::get_user_for_user_id::v3::Request, _, _>(get_user_for_user_id::get_user_for_user_id)
}
