//! POST /_matrix/client/v3/keys/query (End-to-end encryption: key management API)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::{
    accounts::{Key, RateLimits, Users},
    e2ee::DeviceKeys,
};
use ruma::{
    UserId,
    api::client::keys::get_keys::v3::{Request, Response},
};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Tells the keys of users and their devices.
pub(super) async fn get_keys(
    State(device_keys): State<Arc<DeviceKeys>>,
    State(users): State<Arc<Users>>,
    State(limits): State<Arc<RateLimits>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let Request { device_keys: wanted, timeout, .. } = request.body;
    let named: Vec<&UserId> = wanted.keys().map(|user_id| &**user_id).collect();
    limits.check_strangers(users.localities(), Some(Key::Account(request.session.user_num)), &named)?;
    let found = device_keys.query(request.session.user_num, wanted, timeout).await?;
    let mut response = Response::new();
    response.failures = found.failures;
    response.device_keys = found.device_keys;
    response.master_keys = found.master_keys;
    response.self_signing_keys = found.self_signing_keys;
    response.user_signing_keys = found.user_signing_keys;
    Ok(Answer(response))
}
