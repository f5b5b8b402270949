//! DELETE /_matrix/client/v3/pushrules/global/{kind}/{ruleId} (Push rules)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::push::PushRules;
use ruma::api::client::push::delete_pushrule::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Removes a rule of the user's own.
pub(super) async fn delete_pushrule(State(rules): State<Arc<PushRules>>, request: Authed<Request>) -> Reply<Response> {
    let (session, body) = (&request.session, request.body);
    rules.remove(session, body.kind, &body.rule_id).await?;
    Ok(Answer(Response::new()))
}
