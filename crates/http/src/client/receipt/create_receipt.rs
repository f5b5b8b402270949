//! POST /_matrix/client/v3/rooms/{roomId}/receipt/{receiptType}/{eventId} (Receipts)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::ephemeral::{ReceiptKind, Receipts};
use domicile_core::error::ErrorKind;
use ruma::api::client::receipt::create_receipt::v3::{ReceiptType, Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Tells how far the user has read.
pub(super) async fn create_receipt(State(receipts): State<Arc<Receipts>>, request: Authed<Request>) -> Reply<Response> {
    let body = request.body;
    let thread = body.thread.as_str().unwrap_or_default().to_owned();
    match body.receipt_type {
        ReceiptType::Read => {
            receipts.set(&request.session, &body.room_id, &body.event_id, ReceiptKind::Read, &thread).await?;
        }
        ReceiptType::ReadPrivate => {
            receipts.set(&request.session, &body.room_id, &body.event_id, ReceiptKind::ReadPrivate, &thread).await?;
        }
        ReceiptType::FullyRead => receipts.set_fully_read(&request.session, &body.room_id, &body.event_id).await?,
        other => return Err(ErrorKind::InvalidParam.with(format!("There is no receipt type `{other}`.")).into()),
    }
    Ok(Answer(Response::new()))
}
