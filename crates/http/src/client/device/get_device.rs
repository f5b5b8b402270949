//! GET /_matrix/client/v3/devices/{deviceId} (Device management)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::accounts::Devices;
use ruma::api::client::device::get_device::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// One of the user's devices.
pub(super) async fn get_device(State(devices): State<Arc<Devices>>, request: Authed<Request>) -> Reply<Response> {
    let device = devices.get(request.session.user_num, &request.body.device_id).await?;
    Ok(Answer(Response::new(super::shown(device))))
}
