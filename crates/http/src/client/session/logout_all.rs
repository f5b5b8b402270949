//! POST /_matrix/client/v3/logout/all (Logging out: all sessions)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::accounts::Devices;
use ruma::api::client::session::logout_all::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Leaving,
};

/// Ends every session of the account.
pub(super) async fn logout_all(
    State(devices): State<Arc<Devices>>,
    Leaving(request): Leaving<Request>,
) -> Reply<Response> {
    devices.remove_all_but(request.session.user_num, None).await?;
    Ok(Answer(Response::new()))
}
