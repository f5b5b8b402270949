//! POST /_matrix/client/v3/publicRooms (Published room directory)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::{
    accounts::{Key, Limit, RateLimits},
    rooms::{PublicRooms, public_rooms::PublicRoomsRequest},
};
use ruma::{
    api::client::directory::get_public_rooms_filtered::v3::{Request, Response},
    directory::RoomNetwork,
};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// A page of the public directory, of rooms that fit.
pub(super) async fn get_public_rooms_filtered(
    State(rooms): State<Arc<PublicRooms>>,
    State(limits): State<Arc<RateLimits>>,
    request: Authed<Request>,
) -> Reply<Response> {
    limits.check(Limit::Searches, Key::Account(request.session.user_num))?;
    let body = request.body;
    let types = body.filter.room_types.into_iter().map(|kind| kind.as_str().map(str::to_owned));
    let wanted = PublicRoomsRequest {
        limit: body.limit.map(Into::into),
        since: body.since,
        search: body.filter.generic_search_term,
        room_types: types.collect(),
        network: match body.room_network {
            RoomNetwork::ThirdParty(network) => Some(network),
            _ => None,
        },
    };
    let page = rooms.page(body.server.as_deref(), wanted).await?;
    let mut answer = Response::new();
    answer.chunk = page.rooms;
    answer.next_batch = page.next;
    answer.prev_batch = page.previous;
    answer.total_room_count_estimate = page.total.and_then(|total| total.try_into().ok());
    Ok(Answer(answer))
}
