//! PUT /_matrix/client/v3/user/{userId}/rooms/{roomId}/account_data/{type} (Client config)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::account_data::AccountData;
use ruma::api::client::config::set_room_account_data::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Keeps something for the user.
pub(super) async fn set_room_account_data(
    State(account_data): State<Arc<AccountData>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let body = request.body;
    super::own(&request.session, &body.user_id)?;
    let kind = body.event_type.to_string();
    account_data.set(&request.session, Some(&body.room_id), &kind, body.data.json()).await?;
    Ok(Answer(Response::new()))
}
