//! Finding people.

mod search_users;

use axum::Router;
use ruma::api::client::user_directory as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new().endpoint::<api::search_users::v3::Request, _, _>(search_users::search_users)
}
