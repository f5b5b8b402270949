//! PUT /_matrix/client/v3/pushrules/global/{kind}/{ruleId} (Push rules)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::push::PushRules;
use ruma::api::client::push::set_pushrule::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Adds or replaces a rule.
pub(super) async fn set_pushrule(State(rules): State<Arc<PushRules>>, request: Authed<Request>) -> Reply<Response> {
    let (session, body) = (&request.session, request.body);
    rules.set(session, body.rule, body.after, body.before).await?;
    Ok(Answer(Response::new()))
}
