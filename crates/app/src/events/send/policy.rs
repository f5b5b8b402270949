//! Rooms with a policy server (server-server, *Policy servers*): our own events are signed by it before anybody sees them.

use std::sync::Arc;

use domicile_room::event::Pdu;
use futures::future::BoxFuture;

use super::{Sender, Staging};
use crate::{
    Result,
    rooms::{RoomInfo, RoomView},
};

/// Asks policy servers for their signatures.
pub trait PolicySigner: Send + Sync {
    /// The event with the signature of the room's policy server, if it has one; an error if that refuses.
    fn sign<'a>(&'a self, info: &'a RoomInfo, view: &'a RoomView, pdu: Arc<Pdu>) -> BoxFuture<'a, Result<Arc<Pdu>>>;
}

impl Sender {
    /// Has events of rooms with a policy server signed by `signer`. Only the first call counts.
    pub fn sign_with(&self, signer: Arc<dyn PolicySigner>) {
        if self.policy_signer.set(signer).is_err() {
            tracing::warn!("policy servers are asked by somebody already");
        }
    }

    /// The event as it may be sent. Nothing is asked where a room has no policy server.
    pub(super) async fn signed_by_policy_server(&self, staging: &Staging, pdu: Arc<Pdu>) -> Result<Arc<Pdu>> {
        match (&staging.view.facts.policy, self.policy_signer.get()) {
            (Some(_), Some(signer)) => signer.sign(&staging.info, &staging.view, pdu).await,
            _ => Ok(pdu),
        }
    }
}
