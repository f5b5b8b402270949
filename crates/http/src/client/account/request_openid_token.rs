//! POST /_matrix/client/v3/user/{userId}/openid/request_token (OpenID)

use std::{sync::Arc, time::Duration};

use axum::extract::State;
use domicile_app::accounts::{Key, Limit, OpenIdTokens, RateLimits, openid::LIFE_MS};
use ruma::{
    api::client::account::request_openid_token::v3::{Request, Response},
    authentication::TokenType,
};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// A token with which another service can ask who the caller is.
pub(super) async fn request_openid_token(
    State(tokens): State<Arc<OpenIdTokens>>,
    State(limits): State<Arc<RateLimits>>,
    request: Authed<Request>,
) -> Reply<Response> {
    limits.check(Limit::Searches, Key::Account(request.session.user_num))?;
    let token = tokens.issue(&request.session, &request.body.user_id).await?;
    let life = Duration::from_millis(LIFE_MS.unsigned_abs());
    Ok(Answer(Response::new(token, TokenType::Bearer, tokens.server_name().to_owned(), life)))
}
