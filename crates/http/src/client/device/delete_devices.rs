//! POST /_matrix/client/v3/delete_devices (Device management)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::accounts::{Devices, Uia, uia::Operation};
use ruma::api::client::device::delete_devices::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Ends several sessions, once their owner has confirmed it.
pub(super) async fn delete_devices(
    State(devices): State<Arc<Devices>>,
    State(uia): State<Arc<Uia>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let (session, body) = (&request.session, request.body);
    let address = request.client.address;
    let operation = Operation::with_password("delete devices", session, &request.raw, body.auth.as_ref(), address);
    uia.check(operation).await?;
    devices.remove(session.user_num, &body.devices).await?;
    Ok(Answer(Response::new()))
}
