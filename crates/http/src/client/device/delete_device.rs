//! DELETE /_matrix/client/v3/devices/{deviceId} (Device management)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::accounts::{Devices, Uia, uia::Operation};
use ruma::api::client::device::delete_device::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Ends a session, once its owner has confirmed it.
pub(super) async fn delete_device(
    State(devices): State<Arc<Devices>>,
    State(uia): State<Arc<Uia>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let (session, body) = (&request.session, request.body);
    let address = request.client.address;
    let mut operation = Operation::with_password("delete a device", session, &request.raw, body.auth.as_ref(), address);
    operation.subject = body.device_id.as_str();
    uia.check(operation).await?;
    devices.remove(session.user_num, &[body.device_id]).await?;
    Ok(Answer(Response::new()))
}
