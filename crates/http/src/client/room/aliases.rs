//! GET /_matrix/client/v3/rooms/{roomId}/aliases (Room aliases)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::rooms::Directory;
use ruma::{
    OwnedRoomAliasId,
    api::client::room::aliases::v3::{Request, Response},
};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// The aliases of a room.
pub(super) async fn aliases(State(directory): State<Arc<Directory>>, request: Authed<Request>) -> Reply<Response> {
    let found = directory.of_room(&request.session, &request.body.room_id).await?;
    let aliases = found.into_iter().filter_map(|alias| OwnedRoomAliasId::try_from(alias).ok());
    Ok(Answer(Response::new(aliases.collect())))
}
