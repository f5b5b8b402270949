//! PUT /_matrix/client/v3/room_keys/keys (End-to-end encryption: server-side key backups)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::e2ee::KeyBackup;
use ruma::api::client::backup::add_backup_keys::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Puts keys of several rooms.
pub(super) async fn add_backup_keys(
    State(key_backup): State<Arc<KeyBackup>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let Request { version, rooms, .. } = request.body;
    let rooms = rooms.into_iter().map(|(room_id, room)| (room_id, room.sessions)).collect();
    let changed = key_backup.put(request.session.user_num, &version, rooms).await?;
    Ok(Answer(Response::new(changed.etag, changed.count)))
}
