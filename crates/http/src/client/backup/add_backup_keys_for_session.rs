//! PUT /_matrix/client/v3/room_keys/keys/{roomId}/{sessionId} (End-to-end encryption: server-side key backups)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::e2ee::KeyBackup;
use ruma::api::client::backup::add_backup_keys_for_session::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Puts the key of one session.
pub(super) async fn add_backup_keys_for_session(
    State(key_backup): State<Arc<KeyBackup>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let Request { version, room_id, session_id, session_data, .. } = request.body;
    let rooms = [(room_id, [(session_id, session_data)].into())].into();
    let changed = key_backup.put(request.session.user_num, &version, rooms).await?;
    Ok(Answer(Response::new(changed.etag, changed.count)))
}
