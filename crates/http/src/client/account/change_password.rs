//! POST /_matrix/client/v3/account/password (Account management)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::accounts::{Accounts, Uia, lifecycle::EndSessions, uia::Operation};
use ruma::api::client::account::change_password::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Sets a new password, once the user has confirmed it with the old one.
pub(super) async fn change_password(
    State(accounts): State<Arc<Accounts>>,
    State(uia): State<Arc<Uia>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let (session, body) = (&request.session, request.body);
    let address = request.client.address;
    let operation = Operation::with_password("change the password", session, &request.raw, body.auth.as_ref(), address);
    uia.check(operation).await?;
    let end = if body.logout_devices { EndSessions::AllBut(&session.device_id) } else { EndSessions::None };
    accounts.set_password(&session.user_id, body.new_password, end).await?;
    Ok(Answer(Response::new()))
}
