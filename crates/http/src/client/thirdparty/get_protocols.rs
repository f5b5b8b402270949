//! GET /_matrix/client/v3/thirdparty/protocols (Third-party networks)

use std::collections::BTreeMap;

use ruma::api::client::thirdparty::get_protocols::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// No bridge is registered: there are no networks.
pub(super) async fn get_protocols(_request: Authed<Request>) -> Reply<Response> {
    Ok(Answer(Response::new(BTreeMap::new())))
}
