//! POST /_matrix/client/v3/rooms/{roomId}/report (Reporting content)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::{
    accounts::{Key, Limit, RateLimits},
    moderation::Reports,
};
use ruma::api::client::room::report_room::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Tells the operator about a room.
pub(super) async fn report_room(
    State(reports): State<Arc<Reports>>,
    State(limits): State<Arc<RateLimits>>,
    request: Authed<Request>,
) -> Reply<Response> {
    limits.check(Limit::Reports, Key::Account(request.session.user_num))?;
    reports.room(&request.session, &request.body.room_id, request.body.reason).await?;
    Ok(Answer(Response::new()))
}
