//! POST /_matrix/client/v3/rooms/{roomId}/report/{eventId} (Reporting content)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::{
    accounts::{Key, Limit, RateLimits},
    moderation::Reports,
};
use ruma::api::client::room::report_content::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Tells the operator about an event.
pub(super) async fn report_content(
    State(reports): State<Arc<Reports>>,
    State(limits): State<Arc<RateLimits>>,
    request: Authed<Request>,
) -> Reply<Response> {
    limits.check(Limit::Reports, Key::Account(request.session.user_num))?;
    let body = request.body;
    reports.event(&request.session, &body.room_id, &body.event_id, body.reason).await?;
    Ok(Answer(Response::new()))
}
