//! GET /_matrix/client/v3/rooms/{roomId}/members (Getting events for a room)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::{
    rooms::{Membership, RoomReader},
    sync::token::timeline_position,
};
use ruma::api::client::membership::get_member_events::v3::Request;

use crate::{answer::LongAnswer, error::Failure, extract::Authed};

/// The member events of a room, now or at a place in its timeline.
pub(super) async fn get_member_events(
    State(reader): State<Arc<RoomReader>>,
    request: Authed<Request>,
) -> Result<LongAnswer, Failure> {
    let body = request.body;
    let at = body.at.as_deref().map(timeline_position).transpose()?;
    let word = |membership: ruma::events::room::member::MembershipState| Membership::parse(membership.as_str());
    let (only, not) = (body.membership.map(word), body.not_membership.map(word));
    let wanted = move |membership| only.is_none_or(|only| only == membership) && not != Some(membership);
    let events = reader.members(&request.session, &body.room_id, at, wanted).await?;
    Ok(LongAnswer("{\"chunk\":[", events, "]}"))
}
