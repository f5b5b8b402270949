//! Aliases.

mod create_alias;
mod delete_alias;
mod get_alias;

use axum::Router;
use ruma::api::client::alias as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<api::create_alias::v3::Request, _, _>(create_alias::create_alias)
        .endpoint::<api::delete_alias::v3::Request, _, _>(delete_alias::delete_alias)
        .endpoint::<api::get_alias::v3::Request, _, _>(get_alias::get_alias)
}
