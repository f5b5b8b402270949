//! PUT /_matrix/federation/v1/send/{txnId} (Transactions)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::federation::Transactions;
use ruma::api::federation::transactions::send_transaction_message::v1::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    federation::extract::Peer,
};

/// Takes what another server tells of rooms and people.
pub(super) async fn send_transaction_message(
    State(transactions): State<Arc<Transactions>>,
    peer: Peer<Request>,
) -> Reply<Response> {
    let Request { transaction_id, pdus, edus, .. } = peer.body;
    let answers = transactions.take(&peer.origin, &transaction_id, pdus, edus).await?;
    Ok(Answer(Response::new(answers)))
}
