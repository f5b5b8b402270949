//! DELETE /_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device (MSC3814)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::e2ee::DehydratedDevices;
use ruma::api::client::dehydrated_device::delete_dehydrated_device::unstable::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Removes the device that sleeps.
pub(super) async fn delete_dehydrated_device(
    State(dehydrated_devices): State<Arc<DehydratedDevices>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let device_id = dehydrated_devices.remove(request.session.user_num).await?;
    Ok(Answer(Response::new(device_id)))
}
