//! GET /_matrix/client/v3/room_keys/keys (End-to-end encryption: server-side key backups)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::e2ee::{KeyBackup, key_backup::Which};
use ruma::api::client::backup::get_backup_keys::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Gives all keys of a version.
pub(super) async fn get_backup_keys(
    State(key_backup): State<Arc<KeyBackup>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let rooms = key_backup.get(request.session.user_num, request.body.version, Which::All).await?;
    Ok(Answer(Response::new(rooms)))
}
