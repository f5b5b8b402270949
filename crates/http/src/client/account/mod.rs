//! Accounts: registration, credentials, who is asking.

mod check_registration_token_validity;
mod get_username_availability;
mod register;
mod whoami;

use axum::Router;
use ruma::api::client::account as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<api::whoami::v3::Request, _, _>(whoami::whoami)
        .endpoint::<api::register::v3::Request, _, _>(register::register)
        .endpoint::<api::get_username_availability::v3::Request, _, _>(
            get_username_availability::get_username_availability,
        )
        .endpoint::<api::check_registration_token_validity::v1::Request, _, _>(
            check_registration_token_validity::check_registration_token_validity,
        )
}
