//! DELETE /_matrix/client/v3/room_keys/version/{version} (End-to-end encryption: server-side key backups)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::e2ee::KeyBackup;
use ruma::api::client::backup::delete_backup_version::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Deletes a version with its keys.
pub(super) async fn delete_backup_version(
    State(key_backup): State<Arc<KeyBackup>>,
    request: Authed<Request>,
) -> Reply<Response> {
    key_backup.delete(request.session.user_num, &request.body.version).await?;
    Ok(Answer(Response::new()))
}
