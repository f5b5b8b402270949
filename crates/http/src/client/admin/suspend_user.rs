//! PUT /_matrix/client/v1/admin/suspend/{userId} (Server administration: account moderation)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::accounts::Standings;
use ruma::api::client::admin::suspend_user::v1::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Suspends an account or ends its suspension, for an administrator.
pub(super) async fn suspend_user(State(standings): State<Arc<Standings>>, request: Authed<Request>) -> Reply<Response> {
    let Request { user_id, suspended, .. } = request.body;
    standings.check_writer(&request.session, &user_id)?;
    standings.set_suspended(&user_id, suspended).await?;
    Ok(Answer(Response::new(suspended)))
}
