//! Push rules, pushers and notifications.

mod delete_pushrule;
mod get_notifications;
mod get_pushers;
mod get_pushrule;
mod get_pushrule_actions;
mod get_pushrule_enabled;
mod get_pushrules_all;
mod get_pushrules_global_scope;
mod set_pusher;
mod set_pushrule;
mod set_pushrule_actions;
mod set_pushrule_enabled;

use axum::Router;
use ruma::api::client::push as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<api::delete_pushrule::v3::Request, _, _>(delete_pushrule::delete_pushrule)
        .endpoint::<api::get_notifications::v3::Request, _, _>(get_notifications::get_notifications)
        .endpoint::<api::get_pushers::v3::Request, _, _>(get_pushers::get_pushers)
        .endpoint::<api::get_pushrule::v3::Request, _, _>(get_pushrule::get_pushrule)
        .endpoint::<api::get_pushrule_actions::v3::Request, _, _>(get_pushrule_actions::get_pushrule_actions)
        .endpoint::<api::get_pushrule_enabled::v3::Request, _, _>(get_pushrule_enabled::get_pushrule_enabled)
        .endpoint::<api::get_pushrules_all::v3::Request, _, _>(get_pushrules_all::get_pushrules_all)
        .endpoint::<api::get_pushrules_global_scope::v3::Request, _, _>(
            get_pushrules_global_scope::get_pushrules_global_scope,
        )
        .endpoint::<api::set_pusher::v3::Request, _, _>(set_pusher::set_pusher)
        .endpoint::<api::set_pushrule::v3::Request, _, _>(set_pushrule::set_pushrule)
        .endpoint::<api::set_pushrule_actions::v3::Request, _, _>(set_pushrule_actions::set_pushrule_actions)
        .endpoint::<api::set_pushrule_enabled::v3::Request, _, _>(set_pushrule_enabled::set_pushrule_enabled)
}
