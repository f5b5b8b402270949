//! GET /_matrix/client/v3/thirdparty/protocol/{protocol} (Third-party networks)

use domicile_core::error::ErrorKind;
use ruma::api::client::thirdparty::get_protocol::v3::{Request, Response};

use crate::{answer::Reply, extract::Authed};

/// No bridge is registered: no network is known.
pub(super) async fn get_protocol(request: Authed<Request>) -> Reply<Response> {
    let protocol = request.body.protocol;
    Err(ErrorKind::NotFound.with(format!("No network `{protocol}` is bridged to this server.")).into())
}
