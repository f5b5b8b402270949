//! Sessions: log in, refresh, log out.

mod get_login_token;
mod get_login_types;
mod login;
mod logout;
mod logout_all;
mod refresh_token;
mod sso_login;
mod sso_login_with_provider;

use axum::Router;
use ruma::api::client::session as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<api::get_login_token::v1::Request, _, _>(get_login_token::get_login_token)
        .endpoint::<api::get_login_types::v3::Request, _, _>(get_login_types::get_login_types)
        .endpoint::<api::login::v3::Request, _, _>(login::login)
        .endpoint::<api::refresh_token::v3::Request, _, _>(refresh_token::refresh_token)
        .endpoint::<api::sso_login::v3::Request, _, _>(sso_login::sso_login)
        .endpoint::<api::sso_login_with_provider::v3::Request, _, _>(sso_login_with_provider::sso_login_with_provider)
        .endpoint::<api::logout::v3::Request, _, _>(logout::logout)
        .endpoint::<api::logout_all::v3::Request, _, _>(logout_all::logout_all)
}
