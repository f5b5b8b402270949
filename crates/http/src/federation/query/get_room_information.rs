//! GET /_matrix/federation/v1/query/directory (Server-Server: Querying for information)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::rooms::Directory;
use ruma::api::federation::query::get_room_information::v1::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    federation::extract::Peer,
};

/// The room of an alias of this server, and the servers in it.
pub(super) async fn get_room_information(
    State(directory): State<Arc<Directory>>,
    request: Peer<Request>,
) -> Reply<Response> {
    let named = directory.ours(&request.body.room_alias).await?;
    Ok(Answer(Response::new(named.room_id, named.servers)))
}
