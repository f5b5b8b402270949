//! POST /_matrix/client/v3/refresh (Refreshing access tokens)

use std::{sync::Arc, time::Duration};

use axum::extract::State;
use domicile_app::accounts::Sessions;
use ruma::api::client::session::refresh_token::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Public,
};

/// Exchanges a refresh token.
pub(super) async fn refresh_token(State(sessions): State<Arc<Sessions>>, request: Public<Request>) -> Reply<Response> {
    let issued = sessions.refresh(&request.body.refresh_token).await?;
    let mut response = Response::new(issued.access_token);
    response.refresh_token = issued.refresh_token;
    response.expires_in_ms = issued.expires_in_ms.map(|life| Duration::from_millis(life.unsigned_abs()));
    Ok(Answer(response))
}
