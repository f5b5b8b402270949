//! Profiles.

mod delete_profile_field;
mod get_profile;
mod get_profile_field;
mod set_profile_field;

use axum::Router;
use ruma::api::client::profile as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<api::delete_profile_field::v3::Request, _, _>(delete_profile_field::delete_profile_field)
        .endpoint::<api::get_profile::v3::Request, _, _>(get_profile::get_profile)
        .endpoint::<api::get_profile_field::v3::Request, _, _>(get_profile_field::get_profile_field)
        .endpoint::<api::set_profile_field::v3::Request, _, _>(set_profile_field::set_profile_field)
}
