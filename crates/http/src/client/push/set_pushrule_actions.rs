//! PUT /_matrix/client/v3/pushrules/global/{kind}/{ruleId}/actions (Push rules)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::push::PushRules;
use ruma::api::client::push::set_pushrule_actions::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Replaces what a rule does.
pub(super) async fn set_pushrule_actions(
    State(rules): State<Arc<PushRules>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let (session, body) = (&request.session, request.body);
    rules.set_actions(session, body.kind, &body.rule_id, body.actions).await?;
    Ok(Answer(Response::new()))
}
