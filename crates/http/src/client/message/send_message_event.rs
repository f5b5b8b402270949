//! PUT /_matrix/client/v3/rooms/{roomId}/send/{eventType}/{txnId} (Sending events to a room)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::accounts::{
    RateLimits,
    rate_limits::{Key, Limit},
};
use domicile_app::events::send::EventDraft;
use domicile_app::events::send::{Sender, Transaction};
use ruma::api::client::message::send_message_event::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Acting,
};

/// Sends a message.
pub(super) async fn send_message_event(
    State(sender): State<Arc<Sender>>,
    State(limits): State<Arc<RateLimits>>,
    Acting(request): Acting<Request>,
) -> Reply<Response> {
    limits.check(Limit::Messages, Key::Account(request.session.user_num))?;
    let (session, body) = (&request.session, request.body);
    let kind = body.event_type.to_string();
    let transaction = Transaction::new(session, &["send", body.room_id.as_str(), &kind], body.txn_id.as_str());
    let draft = EventDraft {
        kind: kind.into(),
        sender: session.user_id.clone(),
        state_key: None,
        content: body.body.into_json(),
        redacts: None,
    };
    let by = (session.user_num, &session.user_id);
    let event_id = sender.send(&body.room_id, by, draft, Some(transaction)).await?;
    Ok(Answer(Response::new(event_id)))
}
