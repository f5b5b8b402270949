//! GET /_matrix/client/v1/admin/suspend/{userId} (Server administration: account moderation)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::accounts::Standings;
use ruma::api::client::admin::is_user_suspended::v1::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Whether an account is suspended, for an administrator.
pub(super) async fn is_user_suspended(
    State(standings): State<Arc<Standings>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let user_id = &request.body.user_id;
    standings.check_reader(&request.session, user_id)?;
    Ok(Answer(Response::new(standings.get(user_id).await?.suspended)))
}
