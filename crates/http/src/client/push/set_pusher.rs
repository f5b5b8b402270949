//! POST /_matrix/client/v3/pushers/set (Push notifications)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::push::Pushers;
use domicile_core::error::ErrorKind;
use ruma::api::client::push::set_pusher::v3::{PusherAction, Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Adds, replaces or removes a pusher.
pub(super) async fn set_pusher(State(pushers): State<Arc<Pushers>>, request: Authed<Request>) -> Reply<Response> {
    match request.body.action {
        PusherAction::Post(data) => pushers.set(&request.session, data.pusher, data.append).await?,
        PusherAction::Delete(ids) => pushers.remove(&request.session, &ids).await?,
        _ => return Err(ErrorKind::InvalidParam.with("`kind` is `http` or null.").into()),
    }
    Ok(Answer(Response::new()))
}
