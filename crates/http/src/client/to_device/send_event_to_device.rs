//! PUT /_matrix/client/v3/sendToDevice/{eventType}/{txnId} (Send-to-device messaging)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::{
    accounts::{Key, RateLimits, Users},
    e2ee::ToDevice,
};
use ruma::{
    UserId,
    api::client::to_device::send_event_to_device::v3::{Request, Response},
};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Puts messages into devices' inboxes.
pub(super) async fn send_event_to_device(
    State(to_device): State<Arc<ToDevice>>,
    State(users): State<Arc<Users>>,
    State(limits): State<Arc<RateLimits>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let Request { event_type, txn_id, messages, .. } = &request.body;
    let named: Vec<&UserId> = messages.keys().map(|user_id| &**user_id).collect();
    limits.check_strangers(users.localities(), Some(Key::Account(request.session.user_num)), &named)?;
    to_device.send(&request.session, event_type, txn_id, messages).await?;
    Ok(Answer(Response::new()))
}
