//! POST /_matrix/client/v3/users/{userId}/report (Reporting content)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::{
    accounts::{Key, Limit, RateLimits},
    moderation::Reports,
};
use ruma::api::client::reporting::report_user::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Tells the operator about a user.
pub(super) async fn report_user(
    State(reports): State<Arc<Reports>>,
    State(limits): State<Arc<RateLimits>>,
    request: Authed<Request>,
) -> Reply<Response> {
    limits.check(Limit::Reports, Key::Account(request.session.user_num))?;
    reports.user(&request.session, &request.body.user_id, request.body.reason).await?;
    Ok(Answer(Response::new()))
}
