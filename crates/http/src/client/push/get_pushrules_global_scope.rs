//! GET /_matrix/client/v3/pushrules/global/ (Push rules)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::push::PushRules;
use ruma::api::client::push::get_pushrules_global_scope::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// All of the user's rules.
pub(super) async fn get_pushrules_global_scope(
    State(rules): State<Arc<PushRules>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let session = &request.session;
    Ok(Answer(Response::new(rules.get(session.user_num, &session.user_id).await?)))
}
