//! Accounts: registration, credentials, who is asking.

mod change_password;
mod check_registration_token_validity;
mod deactivate;
mod get_3pids;
mod get_username_availability;
mod register;
mod whoami;

use axum::Router;
use ruma::api::client::account as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<api::change_password::v3::Request, _, _>(change_password::change_password)
        .endpoint::<api::deactivate::v3::Request, _, _>(deactivate::deactivate)
        .endpoint::<api::get_3pids::v3::Request, _, _>(get_3pids::get_3pids)
        .endpoint::<api::whoami::v3::Request, _, _>(whoami::whoami)
        .endpoint::<api::register::v3::Request, _, _>(register::register)
        .endpoint::<api::get_username_availability::v3::Request, _, _>(
            get_username_availability::get_username_availability,
        )
        .endpoint::<api::check_registration_token_validity::v1::Request, _, _>(
            check_registration_token_validity::check_registration_token_validity,
        )
}
