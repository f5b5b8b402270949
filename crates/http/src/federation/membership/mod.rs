//! Joins, leaves, knocks and invites.

mod create_invite;
mod create_invite_v1;
mod create_join_event;
mod create_join_event_v1;
mod create_knock_event;
mod create_leave_event;
mod create_leave_event_v1;
mod prepare_join_event;
mod prepare_knock_event;
mod prepare_leave_event;

use axum::Router;
use ruma::api::federation::membership as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub(super) fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<api::prepare_join_event::v1::Request, _, _>(prepare_join_event::prepare_join_event)
        .endpoint::<api::create_join_event::v2::Request, _, _>(create_join_event::create_join_event)
        .endpoint::<api::prepare_leave_event::v1::Request, _, _>(prepare_leave_event::prepare_leave_event)
        .endpoint::<api::create_leave_event::v2::Request, _, _>(create_leave_event::create_leave_event)
        .endpoint::<api::prepare_knock_event::v1::Request, _, _>(prepare_knock_event::prepare_knock_event)
        .endpoint::<api::create_knock_event::v1::Request, _, _>(create_knock_event::create_knock_event)
        .endpoint::<api::create_invite::v2::Request, _, _>(create_invite::create_invite)
        .endpoint::<api::create_invite::v1::Request, _, _>(create_invite_v1::create_invite)
        .endpoint::<create_join_event_v1::Request, _, _>(create_join_event_v1::create_join_event)
        .endpoint::<create_leave_event_v1::Request, _, _>(create_leave_event_v1::create_leave_event)
}
