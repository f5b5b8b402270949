//! POST /_matrix/federation/v1/user/keys/claim (End-to-End Encryption)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::e2ee::OneTimeKeys;
use ruma::api::federation::keys::claim_keys::v1::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    federation::extract::Peer,
};

/// Hands out one-time keys of local users, each once.
pub(super) async fn claim_keys(
    State(one_time_keys): State<Arc<OneTimeKeys>>,
    request: Peer<Request>,
) -> Reply<Response> {
    let claimed = one_time_keys.claim(request.body.one_time_keys).await?;
    Ok(Answer(Response::new(claimed)))
}
