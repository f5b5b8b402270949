//! GET /_matrix/client/v3/login (Legacy login: supported login types)

use ruma::api::client::session::get_login_types::v3::{LoginType, PasswordLoginType, Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Public,
};

/// Tells how one can log in.
pub(super) async fn get_login_types(_request: Public<Request>) -> Reply<Response> {
    Ok(Answer(Response::new(vec![LoginType::Password(PasswordLoginType::new())])))
}
