//! PUT /_matrix/client/v3/pushrules/global/{kind}/{ruleId}/enabled (Push rules)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::push::PushRules;
use ruma::api::client::push::set_pushrule_enabled::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Switches a rule on or off.
pub(super) async fn set_pushrule_enabled(
    State(rules): State<Arc<PushRules>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let (session, body) = (&request.session, request.body);
    rules.set_enabled(session, body.kind, &body.rule_id, body.enabled).await?;
    Ok(Answer(Response::new()))
}
