//! POST /_matrix/client/v3/keys/device_signing/upload (End-to-end encryption: cross-signing)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::e2ee::{
    CrossSigning,
    cross_signing::{Confirmation, Upload},
};
use ruma::api::client::keys::upload_signing_keys::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Takes a user's cross-signing keys.
pub(super) async fn upload_signing_keys(
    State(cross_signing): State<Arc<CrossSigning>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let Request { auth, master_key, self_signing_key, user_signing_key, .. } = request.body;
    let confirmation = Confirmation { body: &request.raw, auth: auth.as_ref(), address: request.client.address };
    let upload = Upload { master_key, self_signing_key, user_signing_key };
    cross_signing.upload(&request.session, &upload, confirmation).await?;
    Ok(Answer(Response::new()))
}
