//! Spaces.

mod get_hierarchy;

use axum::Router;
use ruma::api::federation::space as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new().endpoint::<api::get_hierarchy::v1::Request, _, _>(get_hierarchy::get_hierarchy)
}
