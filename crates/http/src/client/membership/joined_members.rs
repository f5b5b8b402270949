//! GET /_matrix/client/v3/rooms/{roomId}/joined_members (Getting events for a room)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::rooms::RoomReader;
use ruma::api::client::membership::joined_members::v3::{Request, Response, RoomMember};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Who is in a room, with their names and pictures.
pub(super) async fn joined_members(State(reader): State<Arc<RoomReader>>, request: Authed<Request>) -> Reply<Response> {
    let room = reader.room(&request.body.room_id).await?;
    let members = reader.parts().joined_members(&room, &request.session).await?;
    let joined = members.into_iter().map(|(user_id, name, avatar)| {
        let mut member = RoomMember::new();
        member.display_name = name;
        member.avatar_url = avatar.map(Into::into);
        (user_id, member)
    });
    Ok(Answer(Response::new(joined.collect())))
}
