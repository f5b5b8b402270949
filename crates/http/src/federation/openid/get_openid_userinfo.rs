//! GET /_matrix/federation/v1/openid/userinfo (Server-Server: OpenID)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::accounts::{Limit, OpenIdTokens, RateLimits};
use domicile_core::error::ErrorKind;
use ruma::api::federation::openid::get_openid_userinfo::v1::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Public,
};

/// Tells another service whose token it was given.
pub(super) async fn get_openid_userinfo(
    State(tokens): State<Arc<OpenIdTokens>>,
    State(limits): State<Arc<RateLimits>>,
    request: Public<Request>,
) -> Reply<Response> {
    limits.check_address(Limit::Searches, request.client.address)?;
    let owner = tokens.owner(&request.body.access_token).await?;
    let owner = owner.ok_or_else(|| ErrorKind::UnknownToken.with("The token is unknown or has expired."))?;
    Ok(Answer(Response::new(owner)))
}
