//! PUT /_matrix/client/v3/devices/{deviceId} (Device management)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::accounts::Devices;
use ruma::api::client::device::update_device::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Gives a device another name.
pub(super) async fn update_device(State(devices): State<Arc<Devices>>, request: Authed<Request>) -> Reply<Response> {
    let body = request.body;
    devices.rename(request.session.user_num, &body.device_id, body.display_name).await?;
    Ok(Answer(Response::new()))
}
