//! GET /.well-known/matrix/policy_server (Policy servers)

use domicile_core::error::ErrorKind;
use ruma::api::client::discovery::discover_policy_server::{Request, Response};

use crate::{answer::Reply, extract::Public};

/// There is none: Domicile lets no third party judge events.
pub(super) async fn discover_policy_server(_request: Public<Request>) -> Reply<Response> {
    Err(ErrorKind::NotFound.with("There is no policy server here.").into())
}
