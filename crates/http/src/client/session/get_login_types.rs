//! GET /_matrix/client/v3/login (Legacy login: supported login types)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::accounts::LoginTokens;
use ruma::api::client::session::get_login_types::v3::{
    LoginType, PasswordLoginType, Request, Response, TokenLoginType,
};

use crate::{
    answer::{Answer, Reply},
    extract::Public,
};

/// Tells how one can log in.
pub(super) async fn get_login_types(
    State(tokens): State<Arc<LoginTokens>>,
    _request: Public<Request>,
) -> Reply<Response> {
    let mut types = vec![LoginType::Password(PasswordLoginType::new())];
    if tokens.are_offered() {
        let mut with_token = TokenLoginType::new();
        with_token.get_login_token = true;
        types.push(LoginType::Token(with_token));
    }
    Ok(Answer(Response::new(types)))
}
