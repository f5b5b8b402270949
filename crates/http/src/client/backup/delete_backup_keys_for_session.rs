//! DELETE /_matrix/client/v3/room_keys/keys/{roomId}/{sessionId} (End-to-end encryption: server-side key backups)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::e2ee::{KeyBackup, key_backup::Which};
use ruma::api::client::backup::delete_backup_keys_for_session::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Deletes the key of one session.
pub(super) async fn delete_backup_keys_for_session(
    State(key_backup): State<Arc<KeyBackup>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let Request { version, room_id, session_id, .. } = request.body;
    let which = Which::Session(room_id, session_id);
    let changed = key_backup.remove(request.session.user_num, &version, which).await?;
    Ok(Answer(Response::new(changed.etag, changed.count)))
}
