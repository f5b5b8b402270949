//! GET /_matrix/client/v1/auth_metadata (OAuth 2.0 API: server metadata discovery)

use domicile_core::error::ErrorKind;
use ruma::api::client::discovery::get_authorization_server_metadata::v1::{Request, Response};

use crate::{answer::Reply, extract::Public};

/// There is no OAuth 2.0 server; the specification's word for that is `M_UNRECOGNIZED`.
pub(super) async fn get_authorization_server_metadata(_request: Public<Request>) -> Reply<Response> {
    Err(ErrorKind::Unrecognized.with("This server has no OAuth 2.0: log in with a password.").into())
}
