//! GET /_matrix/client/v3/joined_rooms (Room membership)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::rooms::Members;
use ruma::api::client::membership::joined_rooms::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// The rooms that the user is in.
pub(super) async fn joined_rooms(State(members): State<Arc<Members>>, request: Authed<Request>) -> Reply<Response> {
    Ok(Answer(Response::new(members.joined_rooms(request.session.user_num).await?)))
}
