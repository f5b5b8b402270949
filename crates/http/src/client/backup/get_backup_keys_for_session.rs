//! GET /_matrix/client/v3/room_keys/keys/{roomId}/{sessionId} (End-to-end encryption: server-side key backups)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::e2ee::KeyBackup;
use ruma::api::client::backup::get_backup_keys_for_session::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Gives the key of one session.
pub(super) async fn get_backup_keys_for_session(
    State(key_backup): State<Arc<KeyBackup>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let Request { version, room_id, session_id, .. } = request.body;
    let key = key_backup.get_session(request.session.user_num, version, &room_id, &session_id).await?;
    Ok(Answer(Response::new(key)))
}
