//! GET /_matrix/client/v3/account/whoami (Account management: current account information)

use ruma::api::client::account::whoami::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Tells who the token belongs to.
pub(super) async fn whoami(request: Authed<Request>) -> Reply<Response> {
    let session = &request.session;
    let mut response = Response::new(session.user_id.clone(), false);
    response.device_id = Some(session.device_id.clone());
    Ok(Answer(response))
}
