//! POST /_matrix/client/v3/keys/claim (End-to-end encryption: key management API)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::{
    accounts::{Key, RateLimits, Users},
    e2ee::OneTimeKeys,
};
use ruma::{
    UserId,
    api::client::keys::claim_keys::v3::{Request, Response},
};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Hands out one-time keys.
pub(super) async fn claim_keys(
    State(one_time_keys): State<Arc<OneTimeKeys>>,
    State(users): State<Arc<Users>>,
    State(limits): State<Arc<RateLimits>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let Request { one_time_keys: wanted, timeout, .. } = request.body;
    let named: Vec<&UserId> = wanted.keys().map(|user_id| &**user_id).collect();
    limits.check_strangers(users.localities(), Some(Key::Account(request.session.user_num)), &named)?;
    let all = one_time_keys.claim_from_all(request.session.user_num, wanted, timeout).await?;
    let mut response = Response::new(all.claimed);
    response.failures = all.failures;
    Ok(Answer(response))
}
