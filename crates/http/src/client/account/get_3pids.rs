//! GET /_matrix/client/v3/account/3pid (Account management: contact information)

use ruma::api::client::account::get_3pids::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// The user's addresses: none are kept here.
pub(super) async fn get_3pids(_request: Authed<Request>) -> Reply<Response> {
    Ok(Answer(Response::new(Vec::new())))
}
