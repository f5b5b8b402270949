//! GET /_matrix/client/v3/directory/room/{roomAlias} (Room aliases)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::rooms::Directory;
use ruma::api::client::alias::get_alias::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Public,
};

/// Tells which room an alias names.
pub(super) async fn get_alias(State(directory): State<Arc<Directory>>, request: Public<Request>) -> Reply<Response> {
    let body = request.body;
    let room_id = directory.room_of(&body.room_alias).await?;
    let servers = vec![body.room_alias.server_name().to_owned()];
    Ok(Answer(Response::new(room_id, servers)))
}
