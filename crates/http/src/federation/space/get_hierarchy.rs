//! GET /_matrix/federation/v1/hierarchy/{roomId} (Server-Server: Spaces)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::federation::Spaces;
use ruma::{
    api::federation::space::{
        SpaceHierarchyParentSummary,
        get_hierarchy::v1::{Request, Response},
    },
    serde::Raw,
};

use crate::{
    answer::{Answer, Reply},
    federation::extract::Peer,
};

/// A space with its children.
pub(super) async fn get_hierarchy(State(spaces): State<Arc<Spaces>>, request: Peer<Request>) -> Reply<Response> {
    let Request { room_id, suggested_only, .. } = request.body;
    let space = spaces.get(&request.origin, &room_id, suggested_only).await?;
    let children = space.room.children.into_iter().map(Raw::from_json).collect();
    let mut answer = Response::new(SpaceHierarchyParentSummary::new(space.room.summary, children));
    answer.children = space.children.iter().map(domicile_app::rooms::summary::Summary::to_matrix).collect();
    answer.inaccessible_children = space.inaccessible;
    Ok(Answer(answer))
}
