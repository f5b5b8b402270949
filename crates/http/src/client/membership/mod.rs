//! Coming and going.

mod ban_user;
mod forget_room;
mod get_member_events;
mod get_mutual_rooms;
mod invite_user;
mod join_room_by_id;
mod join_room_by_id_or_alias;
mod joined_members;
mod joined_rooms;
mod kick_user;
mod leave_room;
mod unban_user;

use axum::Router;
use ruma::api::client::membership as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<api::ban_user::v3::Request, _, _>(ban_user::ban_user)
        .endpoint::<api::forget_room::v3::Request, _, _>(forget_room::forget_room)
        .endpoint::<api::get_member_events::v3::Request, _, _>(get_member_events::get_member_events)
        .endpoint::<api::get_mutual_rooms::v1::Request, _, _>(get_mutual_rooms::get_mutual_rooms)
        .endpoint::<api::invite_user::v3::Request, _, _>(invite_user::invite_user)
        .endpoint::<api::join_room_by_id::v3::Request, _, _>(join_room_by_id::join_room_by_id)
        .endpoint::<api::join_room_by_id_or_alias::v3::Request, _, _>(
            join_room_by_id_or_alias::join_room_by_id_or_alias,
        )
        .endpoint::<api::joined_members::v3::Request, _, _>(joined_members::joined_members)
        .endpoint::<api::joined_rooms::v3::Request, _, _>(joined_rooms::joined_rooms)
        .endpoint::<api::kick_user::v3::Request, _, _>(kick_user::kick_user)
        .endpoint::<api::leave_room::v3::Request, _, _>(leave_room::leave_room)
        .endpoint::<api::unban_user::v3::Request, _, _>(unban_user::unban_user)
}
