//! GET /_matrix/client/v3/user/{userId}/account_data/{type} (Client config)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::account_data::AccountData;
use ruma::{
    api::client::config::get_global_account_data::v3::{Request, Response},
    serde::Raw,
};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Gives what was kept for the user.
pub(super) async fn get_global_account_data(
    State(account_data): State<Arc<AccountData>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let body = request.body;
    super::own(&request.session, &body.user_id)?;
    let kind = body.event_type.to_string();
    let content = account_data.get(&request.session, None, &kind).await?;
    Ok(Answer(Response::new(Raw::from_json(content))))
}
