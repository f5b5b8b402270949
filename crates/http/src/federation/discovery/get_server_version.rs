//! GET /_matrix/federation/v1/version (Server implementation)

use ruma::api::federation::discovery::get_server_version::v1::{Request, Response, Server};

use crate::{
    answer::{Answer, Reply},
    extract::Public,
};

/// What this is.
pub(super) async fn get_server_version(_request: Public<Request>) -> Reply<Response> {
    let mut server = Server::new();
    server.name = Some("Domicile".to_owned());
    server.version = Some(env!("CARGO_PKG_VERSION").to_owned());
    let mut response = Response::new();
    response.server = Some(server);
    Ok(Answer(response))
}
