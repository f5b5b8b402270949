//! Key backup.

mod add_backup_keys;
mod add_backup_keys_for_room;
mod add_backup_keys_for_session;
mod create_backup_version;
mod delete_backup_keys;
mod delete_backup_keys_for_room;
mod delete_backup_keys_for_session;
mod delete_backup_version;
mod get_backup_info;
mod get_backup_keys;
mod get_backup_keys_for_room;
mod get_backup_keys_for_session;
mod get_latest_backup_info;
mod update_backup_version;

use axum::{Extension, Router};
use domicile_core::limits;
use ruma::api::client::backup as api;

use crate::{extract::BodyLimit, router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<api::create_backup_version::v3::Request, _, _>(create_backup_version::create_backup_version)
        .endpoint::<api::get_latest_backup_info::v3::Request, _, _>(get_latest_backup_info::get_latest_backup_info)
        .endpoint::<api::get_backup_info::v3::Request, _, _>(get_backup_info::get_backup_info)
        .endpoint::<api::update_backup_version::v3::Request, _, _>(update_backup_version::update_backup_version)
        .endpoint::<api::delete_backup_version::v3::Request, _, _>(delete_backup_version::delete_backup_version)
        .endpoint::<api::add_backup_keys::v3::Request, _, _>(add_backup_keys::add_backup_keys)
        .endpoint::<api::add_backup_keys_for_room::v3::Request, _, _>(
            add_backup_keys_for_room::add_backup_keys_for_room,
        )
        .endpoint::<api::add_backup_keys_for_session::v3::Request, _, _>(
            add_backup_keys_for_session::add_backup_keys_for_session,
        )
        .endpoint::<api::get_backup_keys::v3::Request, _, _>(get_backup_keys::get_backup_keys)
        .endpoint::<api::get_backup_keys_for_room::v3::Request, _, _>(
            get_backup_keys_for_room::get_backup_keys_for_room,
        )
        .endpoint::<api::get_backup_keys_for_session::v3::Request, _, _>(
            get_backup_keys_for_session::get_backup_keys_for_session,
        )
        .endpoint::<api::delete_backup_keys::v3::Request, _, _>(delete_backup_keys::delete_backup_keys)
        .endpoint::<api::delete_backup_keys_for_room::v3::Request, _, _>(
            delete_backup_keys_for_room::delete_backup_keys_for_room,
        )
        .endpoint::<api::delete_backup_keys_for_session::v3::Request, _, _>(
            delete_backup_keys_for_session::delete_backup_keys_for_session,
        )
        .layer(Extension(BodyLimit(limits::KEYS_BODY_BYTES)))
}
