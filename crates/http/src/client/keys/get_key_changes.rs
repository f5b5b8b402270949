//! GET /_matrix/client/v3/keys/changes (End-to-end encryption: key management API)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::e2ee::DeviceLists;
use ruma::api::client::keys::get_key_changes::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Tells whose devices changed between two sync tokens.
pub(super) async fn get_key_changes(
    State(device_lists): State<Arc<DeviceLists>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let Request { from, to, .. } = &request.body;
    let (changed, left) = device_lists.between(request.session.user_num, from, to).await?;
    Ok(Answer(Response::new(changed, left)))
}
