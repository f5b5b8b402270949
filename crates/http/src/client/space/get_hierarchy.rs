//! GET /_matrix/client/v1/rooms/{roomId}/hierarchy (Spaces: Discovering rooms within spaces)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::{
    accounts::{Key, Limit, RateLimits},
    rooms::{Hierarchies, hierarchy::HierarchyRequest},
};
use ruma::{
    api::client::space::{
        SpaceHierarchyRoomsChunk,
        get_hierarchy::v1::{Request, Response},
    },
    serde::Raw,
};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// A page of the rooms under a space.
pub(super) async fn get_hierarchy(
    State(hierarchies): State<Arc<Hierarchies>>,
    State(limits): State<Arc<RateLimits>>,
    request: Authed<Request>,
) -> Reply<Response> {
    limits.check(Limit::Searches, Key::Account(request.session.user_num))?;
    let Request { room_id, from, limit, max_depth, suggested_only, .. } = request.body;
    let (limit, max_depth) = (limit.map(Into::into), max_depth.map(Into::into));
    let wanted = HierarchyRequest { room_id, from, limit, max_depth, suggested_only };
    let page = hierarchies.page(&request.session, wanted).await?;
    let mut answer = Response::new();
    answer.next_batch = page.next;
    answer.rooms = page
        .rooms
        .into_iter()
        .map(|room| {
            let children = room.children.into_iter().map(Raw::from_json).collect();
            SpaceHierarchyRoomsChunk::new(room.summary, children)
        })
        .collect();
    Ok(Answer(answer))
}
