//! PUT /_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey} (Sending events to a room)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::{
    accounts::{
        RateLimits,
        rate_limits::{Key, Limit},
    },
    rooms::Members,
};
use ruma::api::client::state::send_state_event::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Acting,
};

/// Sets a part of a room's state.
pub(super) async fn send_state_event(
    State(members): State<Arc<Members>>,
    State(limits): State<Arc<RateLimits>>,
    Acting(request): Acting<Request>,
) -> Reply<Response> {
    limits.check(Limit::Messages, Key::Account(request.session.user_num))?;
    let (session, body) = (&request.session, request.body);
    let (kind, content) = (body.event_type.to_string().into(), body.body.into_json());
    let event_id = members.set_state(session, &body.room_id, kind, body.state_key, content).await?;
    Ok(Answer(Response::new(event_id)))
}
