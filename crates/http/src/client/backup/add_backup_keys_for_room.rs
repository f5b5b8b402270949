//! PUT /_matrix/client/v3/room_keys/keys/{roomId} (End-to-end encryption: server-side key backups)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::e2ee::KeyBackup;
use ruma::api::client::backup::add_backup_keys_for_room::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Puts keys of one room.
pub(super) async fn add_backup_keys_for_room(
    State(key_backup): State<Arc<KeyBackup>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let Request { version, room_id, sessions, .. } = request.body;
    let changed = key_backup.put(request.session.user_num, &version, [(room_id, sessions)].into()).await?;
    Ok(Answer(Response::new(changed.etag, changed.count)))
}
