//! GET /_matrix/client/v1/register/m.login.registration_token/validity (Account registration: is a registration token valid)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::accounts::Registration;
use ruma::api::client::account::check_registration_token_validity::v1::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Public,
};

/// Tells whether a registration token is good.
pub(super) async fn check_registration_token_validity(
    State(registration): State<Arc<Registration>>,
    request: Public<Request>,
) -> Reply<Response> {
    let valid = registration.is_token_valid(&request.body.token, request.client.address).await?;
    Ok(Answer(Response::new(valid)))
}
