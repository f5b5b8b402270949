//! POST /_matrix/client/v3/rooms/{roomId}/upgrade (Room upgrades)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::{
    accounts::{Key, Limit, RateLimits},
    rooms::Upgrades,
};
use ruma::api::client::room::upgrade_room::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Acting,
};

/// Puts a room of another version in a room's place.
pub(super) async fn upgrade_room(
    State(upgrades): State<Arc<Upgrades>>,
    State(limits): State<Arc<RateLimits>>,
    Acting(request): Acting<Request>,
) -> Reply<Response> {
    limits.check(Limit::Invites, Key::Account(request.session.user_num))?;
    let Request { room_id, new_version, additional_creators, .. } = request.body;
    let new = upgrades.upgrade(&request.session, &room_id, new_version, additional_creators).await?;
    Ok(Answer(Response::new(new)))
}
