//! GET /_matrix/federation/v1/user/devices/{userId} (Device Management)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::{Error, e2ee::DeviceKeys};
use ruma::{
    UInt,
    api::federation::device::get_devices::v1::{Request, Response, UserDevice},
};

use crate::{
    answer::{Answer, Reply},
    federation::extract::Peer,
};

/// Tells the devices of a user that encrypt, with their keys. Their names are the user's own.
pub(super) async fn get_devices(State(device_keys): State<Arc<DeviceKeys>>, request: Peer<Request>) -> Reply<Response> {
    let user_id = request.body.user_id;
    let mut list = device_keys.list_from_afar(&request.origin, &user_id).await?;
    let stream_id = UInt::try_from(list.stream_id.0).map_err(Error::internal)?;
    let devices = list.found.device_keys.remove(&user_id).unwrap_or_default();
    let mut response = Response::new(user_id, stream_id);
    response.devices = devices.into_iter().map(|(device_id, keys)| UserDevice::new(device_id, keys)).collect();
    response.master_key = list.found.master_keys.remove(&response.user_id);
    response.self_signing_key = list.found.self_signing_keys.remove(&response.user_id);
    Ok(Answer(response))
}
