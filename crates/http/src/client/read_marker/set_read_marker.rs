//! POST /_matrix/client/v3/rooms/{roomId}/read_markers (Fully read markers)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::ephemeral::{ReceiptKind, Receipts};
use ruma::api::client::read_marker::set_read_marker::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Moves the marker of what was read fully, and receipts with it.
pub(super) async fn set_read_marker(
    State(receipts): State<Arc<Receipts>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let (session, body) = (&request.session, request.body);
    if let Some(event_id) = &body.fully_read {
        receipts.set_fully_read(session, &body.room_id, event_id).await?;
    }
    if let Some(event_id) = &body.read_receipt {
        receipts.set(session, &body.room_id, event_id, ReceiptKind::Read, "").await?;
    }
    if let Some(event_id) = &body.private_read_receipt {
        receipts.set(session, &body.room_id, event_id, ReceiptKind::ReadPrivate, "").await?;
    }
    Ok(Answer(Response::new()))
}
