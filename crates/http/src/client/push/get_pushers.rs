//! GET /_matrix/client/v3/pushers (Push notifications)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::push::Pushers;
use ruma::api::client::push::get_pushers::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// The user's pushers.
pub(super) async fn get_pushers(State(pushers): State<Arc<Pushers>>, request: Authed<Request>) -> Reply<Response> {
    Ok(Answer(Response::new(pushers.list(request.session.user_num).await?)))
}
