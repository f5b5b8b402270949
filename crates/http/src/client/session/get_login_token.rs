//! POST /_matrix/client/v1/login/get_token (Legacy login: token-based user login)

use std::{sync::Arc, time::Duration};

use axum::extract::State;
use domicile_app::accounts::{LoginTokens, Uia, login_tokens::LIFE_MS, uia::Operation};
use ruma::api::client::session::get_login_token::v1::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// A token with which another device can sign in once, after the owner has confirmed it.
pub(super) async fn get_login_token(
    State(tokens): State<Arc<LoginTokens>>,
    State(uia): State<Arc<Uia>>,
    request: Authed<Request>,
) -> Reply<Response> {
    tokens.check_offered()?;
    let (session, auth) = (&request.session, request.body.auth.as_ref());
    uia.check(Operation::with_password("login token", session, &request.raw, auth, request.client.address)).await?;
    let token = tokens.issue(session).await?;
    Ok(Answer(Response::new(Duration::from_millis(LIFE_MS.unsigned_abs()), token)))
}
