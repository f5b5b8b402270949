//! POST /_matrix/client/v3/account/deactivate (Account management)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::accounts::{Accounts, Uia, uia::Operation};
use ruma::api::client::account::{
    ThirdPartyIdRemovalStatus,
    deactivate::v3::{Request, Response},
};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Ends an account for good, once its owner has confirmed it.
pub(super) async fn deactivate(
    State(accounts): State<Arc<Accounts>>,
    State(uia): State<Arc<Uia>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let (session, body) = (&request.session, request.body);
    let address = request.client.address;
    let operation =
        Operation::with_password("deactivate the account", session, &request.raw, body.auth.as_ref(), address);
    uia.check(operation).await?;
    accounts.deactivate(&session.user_id, body.erase).await?;
    // No third-party ids are kept here, so there is nothing to unbind.
    Ok(Answer(Response::new(ThirdPartyIdRemovalStatus::NoSupport)))
}
