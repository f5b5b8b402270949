//! GET /_matrix/client/v3/notifications (Push notifications)

use std::sync::Arc;

use axum::{Json, extract::State};
use domicile_app::push::{NotificationPage, Notifications};
use ruma::api::client::push::get_notifications::v3::Request;

use crate::{error::Failure, extract::Authed};

/// What notified the user, the newest first.
pub(super) async fn get_notifications(
    State(notifications): State<Arc<Notifications>>,
    request: Authed<Request>,
) -> Result<Json<NotificationPage>, Failure> {
    let Request { from, limit, only, .. } = request.body;
    let highlights = only.as_deref() == Some("highlight");
    let page = notifications.page(&request.session, from.as_deref(), limit.map(u64::from), highlights).await?;
    Ok(Json(page))
}
