//! GET /_matrix/client/v3/publicRooms (Published room directory)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::{
    accounts::{Limit, RateLimits},
    rooms::{PublicRooms, public_rooms::PublicRoomsRequest},
};
use ruma::api::client::directory::get_public_rooms::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Public,
};

/// A page of the public directory.
pub(super) async fn get_public_rooms(
    State(rooms): State<Arc<PublicRooms>>,
    State(limits): State<Arc<RateLimits>>,
    request: Public<Request>,
) -> Reply<Response> {
    limits.check_address(Limit::Searches, request.client.address)?;
    let Request { limit, since, server, .. } = request.body;
    let wanted = PublicRoomsRequest { limit: limit.map(Into::into), since, ..PublicRoomsRequest::default() };
    let page = rooms.page(server.as_deref(), wanted).await?;
    let mut answer = Response::new(page.rooms);
    answer.next_batch = page.next;
    answer.prev_batch = page.previous;
    answer.total_room_count_estimate = page.total.and_then(|total| total.try_into().ok());
    Ok(Answer(answer))
}
