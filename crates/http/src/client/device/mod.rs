//! Devices: every session there is.

mod delete_device;
mod delete_devices;
mod get_device;
mod get_devices;
mod update_device;

use axum::Router;
use domicile_app::accounts::devices;
use ruma::{MilliSecondsSinceUnixEpoch, UInt, api::client::device as api};

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<api::delete_device::v3::Request, _, _>(delete_device::delete_device)
        .endpoint::<api::delete_devices::v3::Request, _, _>(delete_devices::delete_devices)
        .endpoint::<api::get_device::v3::Request, _, _>(get_device::get_device)
        .endpoint::<api::get_devices::v3::Request, _, _>(get_devices::get_devices)
        .endpoint::<api::update_device::v3::Request, _, _>(update_device::update_device)
}

/// A device as clients see it.
fn shown(device: devices::Device) -> api::Device {
    let mut shown = api::Device::new(device.device_id);
    shown.display_name = device.display_name;
    shown.last_seen_ip = device.last_seen_ip.map(|address| address.to_string());
    let seen = device.last_seen_ts.and_then(|ts| UInt::try_from(ts).ok());
    shown.last_seen_ts = seen.map(MilliSecondsSinceUnixEpoch);
    shown
}
