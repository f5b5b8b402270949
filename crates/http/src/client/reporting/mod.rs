//! Reports about users; those about rooms and events are with the rooms.

mod report_user;

use axum::Router;
use ruma::api::client::reporting as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new().endpoint::<api::report_user::v3::Request, _, _>(report_user::report_user)
}
