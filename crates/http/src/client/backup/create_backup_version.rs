//! POST /_matrix/client/v3/room_keys/version (End-to-end encryption: server-side key backups)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::e2ee::KeyBackup;
use ruma::api::client::backup::create_backup_version::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Makes a new version.
pub(super) async fn create_backup_version(
    State(key_backup): State<Arc<KeyBackup>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let version = key_backup.create(request.session.user_num, &request.body.algorithm).await?;
    Ok(Answer(Response::new(version)))
}
