//! PUT /_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey} (Sending events to a room)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::accounts::{
    RateLimits,
    rate_limits::{Key, Limit},
};
use domicile_app::events::send::EventDraft;
use domicile_app::events::send::Sender;
use ruma::api::client::state::send_state_event::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Sets a part of a room's state.
pub(super) async fn send_state_event(
    State(sender): State<Arc<Sender>>,
    State(limits): State<Arc<RateLimits>>,
    request: Authed<Request>,
) -> Reply<Response> {
    limits.check(Limit::Messages, Key::Account(request.session.user_num))?;
    let (session, body) = (&request.session, request.body);
    let draft = EventDraft {
        kind: body.event_type.to_string().into(),
        sender: session.user_id.clone(),
        state_key: Some(body.state_key),
        content: body.body.into_json(),
        redacts: None,
    };
    let by = (session.user_num, &session.user_id);
    let event_id = sender.send(&body.room_id, by, draft, None).await?;
    Ok(Answer(Response::new(event_id)))
}
