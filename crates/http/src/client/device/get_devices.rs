//! GET /_matrix/client/v3/devices (Device management)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::accounts::Devices;
use ruma::api::client::device::get_devices::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// All of the user's devices.
pub(super) async fn get_devices(State(devices): State<Arc<Devices>>, request: Authed<Request>) -> Reply<Response> {
    let found = devices.list(request.session.user_num).await?;
    Ok(Answer(Response::new(found.into_iter().map(super::shown).collect())))
}
