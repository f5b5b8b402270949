//! POST /_matrix/client/v3/knock/{roomIdOrAlias} (Room membership: Knocking on rooms)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::accounts::{
    RateLimits,
    rate_limits::{Key, Limit},
};
use domicile_app::rooms::{Directory, Members, directory::Named};
use ruma::api::client::knock::knock_room::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Acting,
};

/// Asks to be let into a room.
pub(super) async fn knock_room(
    State(members): State<Arc<Members>>,
    State(directory): State<Arc<Directory>>,
    State(limits): State<Arc<RateLimits>>,
    Acting(request): Acting<Request>,
) -> Reply<Response> {
    limits.check(Limit::Joins, Key::Account(request.session.user_num))?;
    let Named { room_id, servers } = directory.resolve(&request.body.room_id_or_alias).await?;
    let via = [request.body.via, servers].concat();
    members.knock(&request.session, &room_id, &via, request.body.reason).await?;
    Ok(Answer(Response::new(room_id)))
}
