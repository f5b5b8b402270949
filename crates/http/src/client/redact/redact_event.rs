//! PUT /_matrix/client/v3/rooms/{roomId}/redact/{eventId}/{txnId} (Redactions)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::accounts::{
    RateLimits,
    rate_limits::{Key, Limit},
};
use domicile_app::events::send::{EventDraft, raw};
use domicile_app::events::send::{Sender, Transaction};
use domicile_app::rooms::RoomReader;
use ruma::{
    api::client::redact::redact_event::v3::{Request, Response},
    events::TimelineEventType,
};
use serde_json::{Map, Value};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Takes an event back.
pub(super) async fn redact_event(
    State(sender): State<Arc<Sender>>,
    State(reader): State<Arc<RoomReader>>,
    State(limits): State<Arc<RateLimits>>,
    request: Authed<Request>,
) -> Reply<Response> {
    limits.check(Limit::Messages, Key::Account(request.session.user_num))?;
    let (session, body) = (&request.session, request.body);
    // Whoever is suspended may take back what they said themselves.
    reader.check_redaction(session, &body.room_id, &body.event_id).await?;
    let path = ["redact", body.room_id.as_str(), body.event_id.as_str()];
    let transaction = Transaction::new(session, &path, body.txn_id.as_str());
    let mut content = Map::new();
    if let Some(reason) = body.reason {
        content.insert("reason".to_owned(), reason.into());
    }
    let draft = EventDraft {
        kind: TimelineEventType::RoomRedaction,
        sender: session.user_id.clone(),
        state_key: None,
        content: raw(&Value::Object(content)),
        redacts: Some(body.event_id),
    };
    let by = (session.user_num, &session.user_id);
    let event_id = sender.send(&body.room_id, by, draft, Some(transaction)).await?;
    Ok(Answer(Response::new(event_id)))
}
