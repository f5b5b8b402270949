//! POST /_matrix/client/v3/logout (Logging out: this session)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::accounts::Devices;
use ruma::api::client::session::logout::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Leaving,
};

/// Ends the session that asks.
pub(super) async fn logout(State(devices): State<Arc<Devices>>, Leaving(request): Leaving<Request>) -> Reply<Response> {
    let session = &request.session;
    devices.remove(session.user_num, std::slice::from_ref(&session.device_id)).await?;
    Ok(Answer(Response::new()))
}
