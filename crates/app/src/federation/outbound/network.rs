//! The network as a carrier: `PUT /_matrix/federation/v1/send/{txnId}`.

use std::{sync::Arc, time::Duration};

use domicile_core::locality::Destination;
use futures::future::{BoxFuture, FutureExt};
use ruma::{
    MilliSecondsSinceUnixEpoch, OwnedServerName, UInt,
    api::federation::transactions::send_transaction_message::v1::Request, serde::Raw,
};

use super::{Carrier, Outcome, Transaction};
use crate::federation::{Bounds, PeerError, Peers};

/// What an answer may cost. The other side may have much to do before it answers.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(75), bytes: 1 << 20 };

/// Brings transactions to other servers.
pub struct Network {
    peers: Arc<Peers>,
    server_name: OwnedServerName,
}

impl Network {
    /// In the name of a server.
    pub fn new(peers: Arc<Peers>, server_name: OwnedServerName) -> Self {
        Self { peers, server_name }
    }

    async fn bring(&self, destination: Destination, transaction: Arc<Transaction>) -> Outcome {
        let made = UInt::try_from(transaction.made_ms).unwrap_or_default();
        let id = transaction.id.as_str().into();
        let mut request = Request::new(id, self.server_name.clone(), MilliSecondsSinceUnixEpoch(made));
        request.pdus.clone_from(&transaction.pdus);
        request.edus = transaction.edus.iter().cloned().map(Raw::from_json).collect();
        match self.peers.ask(destination.peer_name(), request, BOUNDS).await {
            Ok(answer) => {
                let refused =
                    answer.pdus.into_iter().filter_map(|(id, outcome)| Some((id.to_string(), outcome.err()?)));
                Outcome::Taken { refused: refused.collect() }
            }
            Err(error) => outcome(&error),
        }
    }
}

fn outcome(error: &PeerError) -> Outcome {
    match error {
        PeerError::Matrix { status: 413, .. } => Outcome::TooLarge,
        PeerError::Matrix { status: 429, retry_after_ms, .. } => {
            Outcome::Busy { retry_after_ms: retry_after_ms.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX)) }
        }
        error => Outcome::Failed { word: error.word(), error: error.to_string() },
    }
}

impl Carrier for Network {
    fn carry(&self, destination: Destination, transaction: Arc<Transaction>) -> BoxFuture<'_, Outcome> {
        self.bring(destination, transaction).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, retry_after_ms: Option<u64>) -> PeerError {
        PeerError::Matrix { status, errcode: "M_UNKNOWN".to_owned(), text: "no".to_owned(), retry_after_ms }
    }

    #[test]
    fn refusals_are_understood() {
        assert_eq!(outcome(&refusal(413, None)), Outcome::TooLarge);
        assert_eq!(outcome(&refusal(429, Some(7_000))), Outcome::Busy { retry_after_ms: Some(7_000) });
        assert_eq!(outcome(&refusal(429, Some(u64::MAX))), Outcome::Busy { retry_after_ms: Some(i64::MAX) });
        assert!(matches!(outcome(&refusal(403, None)), Outcome::Failed { word: "error", .. }));
        assert!(matches!(outcome(&PeerError::Refused), Outcome::Failed { word: "refused", .. }));
    }
}
