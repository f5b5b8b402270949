//! Devices of local users, as other servers see them.

mod get_devices;

use axum::Router;
use ruma::api::federation::device as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new().endpoint::<api::get_devices::v1::Request, _, _>(get_devices::get_devices)
}
