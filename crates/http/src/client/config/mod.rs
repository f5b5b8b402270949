//! Account data.

mod get_global_account_data;
mod get_room_account_data;
mod set_global_account_data;
mod set_room_account_data;

use axum::Router;
use domicile_app::accounts::Session;
use domicile_core::error::{ErrorKind, MatrixError};
use ruma::{UserId, api::client::config as api};

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<api::get_global_account_data::v3::Request, _, _>(get_global_account_data::get_global_account_data)
        .endpoint::<api::get_room_account_data::v3::Request, _, _>(get_room_account_data::get_room_account_data)
        .endpoint::<api::set_global_account_data::v3::Request, _, _>(set_global_account_data::set_global_account_data)
        .endpoint::<api::set_room_account_data::v3::Request, _, _>(set_room_account_data::set_room_account_data)
}

/// Refuses what is somebody else's.
pub(super) fn own(session: &Session, user_id: &UserId) -> Result<(), MatrixError> {
    if session.user_id == user_id {
        return Ok(());
    }
    Err(ErrorKind::Forbidden.with("This belongs to somebody else."))
}
