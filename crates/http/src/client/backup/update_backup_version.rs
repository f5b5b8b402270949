//! PUT /_matrix/client/v3/room_keys/version/{version} (End-to-end encryption: server-side key backups)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::e2ee::KeyBackup;
use ruma::api::client::backup::update_backup_version::v3::{Request, Response};
use serde::Deserialize;

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// The part of the body that ruma's request leaves out.
#[derive(Deserialize)]
struct Named {
    version: Option<String>,
}

/// Replaces what clients need to seal for a version.
pub(super) async fn update_backup_version(
    State(key_backup): State<Arc<KeyBackup>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let named = serde_json::from_slice::<Named>(&request.raw).ok().and_then(|body| body.version);
    let Request { version, algorithm, .. } = request.body;
    key_backup.update(request.session.user_num, version, named, &algorithm).await?;
    Ok(Answer(Response::new()))
}
