//! Proofs of who somebody is, for other services.

mod get_openid_userinfo;

use axum::Router;
use ruma::api::federation::openid as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new().endpoint::<api::get_openid_userinfo::v1::Request, _, _>(get_openid_userinfo::get_openid_userinfo)
}
