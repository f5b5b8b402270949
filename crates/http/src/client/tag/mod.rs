//! Tags of rooms.

mod create_tag;
mod delete_tag;
mod get_tags;

use axum::Router;
use ruma::api::client::tag as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<api::create_tag::v3::Request, _, _>(create_tag::create_tag)
        .endpoint::<api::delete_tag::v3::Request, _, _>(delete_tag::delete_tag)
        .endpoint::<api::get_tags::v3::Request, _, _>(get_tags::get_tags)
}
