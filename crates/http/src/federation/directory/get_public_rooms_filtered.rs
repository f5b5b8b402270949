//! POST /_matrix/federation/v1/publicRooms (Server-Server: Public room directory)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::rooms::{PublicRooms, public_rooms::PublicRoomsRequest};
use ruma::{
    api::federation::directory::get_public_rooms_filtered::v1::{Request, Response},
    directory::RoomNetwork,
};

use crate::{
    answer::{Answer, Reply},
    federation::extract::Peer,
};

/// A page of those rooms of the public directory that fit a filter.
pub(super) async fn get_public_rooms_filtered(
    State(rooms): State<Arc<PublicRooms>>,
    request: Peer<Request>,
) -> Reply<Response> {
    let Request { limit, since, filter, room_network, .. } = request.body;
    let wanted = PublicRoomsRequest {
        limit: limit.map(u64::from).filter(|limit| *limit > 0),
        since,
        search: filter.generic_search_term,
        room_types: filter.room_types.into_iter().map(|kind| kind.as_str().map(str::to_owned)).collect(),
        network: match room_network {
            RoomNetwork::ThirdParty(network) => Some(network),
            _ => None,
        },
    };
    let page = rooms.page_for(&request.origin, wanted).await?;
    let mut answer = Response::new();
    answer.chunk = page.rooms;
    answer.next_batch = page.next;
    answer.prev_batch = page.previous;
    answer.total_room_count_estimate = page.total.and_then(|total| total.try_into().ok());
    Ok(Answer(answer))
}
