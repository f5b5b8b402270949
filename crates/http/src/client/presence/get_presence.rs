//! GET /_matrix/client/v3/presence/{userId}/status (Presence)

use std::{sync::Arc, time::Duration};

use axum::extract::State;
use domicile_app::ephemeral::PresenceNotices;
use ruma::api::client::presence::get_presence::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// How somebody is.
pub(super) async fn get_presence(
    State(notices): State<Arc<PresenceNotices>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let shown = notices.get(&request.session, &request.body.user_id).await?;
    let mut response = Response::new(shown.state.clone());
    response.currently_active = shown.currently_active().then_some(true);
    response.last_active_ago = shown.last_active_ago.map(|ago| Duration::from_millis(ago.unsigned_abs()));
    response.status_msg = shown.status.as_deref().map(str::to_owned);
    Ok(Answer(response))
}
