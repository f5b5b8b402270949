//! GET /_matrix/client/v3/room_keys/version (End-to-end encryption: server-side key backups)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::e2ee::KeyBackup;
use ruma::api::client::backup::get_latest_backup_info::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Tells the current version.
pub(super) async fn get_latest_backup_info(
    State(key_backup): State<Arc<KeyBackup>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let info = key_backup.current(request.session.user_num).await?;
    Ok(Answer(Response::new(info.algorithm, info.count, info.etag, info.version)))
}
