//! Typing.

mod create_typing_event;

use axum::Router;
use ruma::api::client::typing as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new().endpoint::<api::create_typing_event::v3::Request, _, _>(create_typing_event::create_typing_event)
}
