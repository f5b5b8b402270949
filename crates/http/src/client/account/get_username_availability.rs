//! GET /_matrix/client/v3/register/available (Account registration: is a user name available)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::accounts::Registration;
use ruma::api::client::account::get_username_availability::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Public,
};

/// Tells whether a user name is free.
pub(super) async fn get_username_availability(
    State(registration): State<Arc<Registration>>,
    request: Public<Request>,
) -> Reply<Response> {
    registration.check_available(&request.body.username, request.client.address).await?;
    Ok(Answer(Response::new(true)))
}
