//! GET /_matrix/client/v3/thirdparty/user (Third-party networks)

use ruma::api::client::thirdparty::get_user_for_user_id::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// No bridge is registered: nobody is somebody elsewhere.
pub(super) async fn get_user_for_user_id(_request: Authed<Request>) -> Reply<Response> {
    Ok(Answer(Response::new(Vec::new())))
}
