//! GET /_matrix/client/v3/pushrules/global/{kind}/{ruleId}/actions (Push rules)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::push::{PushRules, rules::unknown_rule};
use ruma::api::client::push::get_pushrule_actions::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Tells what a rule does.
pub(super) async fn get_pushrule_actions(
    State(rules): State<Arc<PushRules>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let (session, body) = (&request.session, request.body);
    let all = rules.get(session.user_num, &session.user_id).await?;
    let rule = all.get(body.kind, &body.rule_id).ok_or_else(|| unknown_rule(&body.rule_id))?;
    Ok(Answer(Response::new(rule.actions().to_owned())))
}
