//! POST /_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device/{device_id}/events (MSC3814)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::e2ee::DehydratedDevices;
use ruma::api::client::dehydrated_device::get_events::unstable::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Gives what came for the device that sleeps.
pub(super) async fn get_events(
    State(dehydrated_devices): State<Arc<DehydratedDevices>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let Request { device_id, next_batch, .. } = &request.body;
    let user_num = request.session.user_num;
    let (events, next_batch) = dehydrated_devices.events(user_num, device_id, next_batch.as_deref()).await?;
    let mut response = Response::new(events);
    response.next_batch = Some(next_batch);
    Ok(Answer(response))
}
