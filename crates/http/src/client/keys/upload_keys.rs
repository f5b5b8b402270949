//! POST /_matrix/client/v3/keys/upload (End-to-end encryption: key management API)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::e2ee::{DeviceKeys, device_keys::Upload};
use ruma::api::client::keys::upload_keys::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Takes a device's keys.
pub(super) async fn upload_keys(
    State(device_keys): State<Arc<DeviceKeys>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let Request { device_keys: keys, one_time_keys, fallback_keys, .. } = request.body;
    let upload = Upload { device_keys: keys, one_time_keys, fallback_keys };
    let counts = device_keys.upload(&request.session, upload).await?;
    Ok(Answer(Response::new(counts)))
}
