//! Transactions.

mod send_transaction_message;

use axum::Router;
use ruma::api::federation::transactions as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub(super) fn routes() -> Router<Services> {
    Router::new().endpoint::<api::send_transaction_message::v1::Request, _, _>(
        send_transaction_message::send_transaction_message,
    )
}
