//! Server administration over Matrix: by those whom the operator named, and of oneself.

mod get_user_info;
mod is_user_locked;
mod is_user_suspended;
mod lock_user;
mod suspend_user;

use axum::Router;
use ruma::api::client::admin as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<api::get_user_info::v3::Request, _, _>(get_user_info::get_user_info)
        .endpoint::<api::is_user_locked::v1::Request, _, _>(is_user_locked::is_user_locked)
        .endpoint::<api::is_user_suspended::v1::Request, _, _>(is_user_suspended::is_user_suspended)
        .endpoint::<api::lock_user::v1::Request, _, _>(lock_user::lock_user)
        .endpoint::<api::suspend_user::v1::Request, _, _>(suspend_user::suspend_user)
}
