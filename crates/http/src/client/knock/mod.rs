//! Knocking.

mod knock_room;

use axum::Router;
use ruma::api::client::knock as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new().endpoint::<api::knock_room::v3::Request, _, _>(knock_room::knock_room)
}
