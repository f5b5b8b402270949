//! Accounts: registration, credentials, who is asking.

mod add_3pid;
mod bind_3pid;
mod change_password;
mod check_registration_token_validity;
mod deactivate;
mod delete_3pid;
mod get_3pids;
mod get_username_availability;
mod post_3pids;
mod register;
mod request_3pid_management_token_via_email;
mod request_3pid_management_token_via_msisdn;
mod request_openid_token;
mod request_password_change_token_via_email;
mod request_password_change_token_via_msisdn;
mod request_registration_token_via_email;
mod request_registration_token_via_msisdn;
mod unbind_3pid;
mod whoami;

use axum::Router;
use ruma::api::client::account as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<api::add_3pid::v3::Request, _, _>(add_3pid::add_3pid)
        .endpoint::<api::bind_3pid::v3::Request, _, _>(bind_3pid::bind_3pid)
        .endpoint::<api::delete_3pid::v3::Request, _, _>(delete_3pid::delete_3pid)
        .endpoint::<api::request_3pid_management_token_via_email::v3::Request, _, _>(
            request_3pid_management_token_via_email::request_3pid_management_token_via_email,
        )
        .endpoint::<api::request_3pid_management_token_via_msisdn::v3::Request, _, _>(
            request_3pid_management_token_via_msisdn::request_3pid_management_token_via_msisdn,
        )
        .endpoint::<api::request_openid_token::v3::Request, _, _>(request_openid_token::request_openid_token)
        .endpoint::<api::request_password_change_token_via_email::v3::Request, _, _>(
            request_password_change_token_via_email::request_password_change_token_via_email,
        )
        .endpoint::<api::request_password_change_token_via_msisdn::v3::Request, _, _>(
            request_password_change_token_via_msisdn::request_password_change_token_via_msisdn,
        )
        .endpoint::<api::request_registration_token_via_email::v3::Request, _, _>(
            request_registration_token_via_email::request_registration_token_via_email,
        )
        .endpoint::<api::request_registration_token_via_msisdn::v3::Request, _, _>(
            request_registration_token_via_msisdn::request_registration_token_via_msisdn,
        )
        .endpoint::<api::unbind_3pid::v3::Request, _, _>(unbind_3pid::unbind_3pid)
        .endpoint::<post_3pids::Request, _, _>(post_3pids::post_3pids)
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
