//! Stored filters.

mod create_filter;
mod get_filter;

use axum::Router;
use ruma::api::client::filter as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<api::create_filter::v3::Request, _, _>(create_filter::create_filter)
        .endpoint::<api::get_filter::v3::Request, _, _>(get_filter::get_filter)
}
