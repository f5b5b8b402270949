//! Messages from device to device.

mod send_event_to_device;

use axum::{Extension, Router};
use domicile_core::limits;
use ruma::api::client::to_device as api;

use crate::{extract::BodyLimit, router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<api::send_event_to_device::v3::Request, _, _>(send_event_to_device::send_event_to_device)
        .layer(Extension(BodyLimit(limits::KEYS_BODY_BYTES)))
}
