//! PUT /_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device (MSC3814)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::e2ee::{DehydratedDevices, device_keys::Upload};
use ruma::api::client::dehydrated_device::put_dehydrated_device::unstable::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Puts a device to sleep.
pub(super) async fn put_dehydrated_device(
    State(dehydrated_devices): State<Arc<DehydratedDevices>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let Request { device_id, device_data, device_keys, one_time_keys, fallback_keys, .. } = request.body;
    let upload = Upload { device_keys: Some(device_keys), one_time_keys, fallback_keys };
    dehydrated_devices.put(&request.session, device_id.clone(), &device_data, upload).await?;
    Ok(Answer(Response::new(device_id)))
}
