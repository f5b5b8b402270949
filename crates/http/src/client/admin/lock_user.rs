//! PUT /_matrix/client/v1/admin/lock/{userId} (Server administration: account moderation)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::accounts::Standings;
use ruma::api::client::admin::lock_user::v1::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Locks an account or unlocks it, for an administrator.
pub(super) async fn lock_user(State(standings): State<Arc<Standings>>, request: Authed<Request>) -> Reply<Response> {
    let Request { user_id, locked, .. } = request.body;
    standings.check_writer(&request.session, &user_id)?;
    standings.set_locked(&user_id, locked).await?;
    Ok(Answer(Response::new(locked)))
}
