//! What a client sends: one event, once, however often the request is repeated.

use std::sync::Arc;

use domicile_core::{
    clock::DAY_MS,
    ids::{DeviceNum, UserNum},
};
use domicile_room::event::EventDraft;
use domicile_store::{StoreError, table::transactions};
use ruma::{OwnedEventId, OwnedUserId, RoomId};
use sha2::{Digest, Sha256};

use super::{Sender, redaction};
use crate::{Error, Result, accounts::Session, error::forbidden, rooms::Membership};

/// A client's transaction: the same device, endpoint and transaction id mean the same event.
#[derive(Clone, Debug)]
pub struct Transaction {
    device_num: DeviceNum,
    scope: [u8; 16],
    txn_id: Arc<str>,
}

impl Transaction {
    /// The transaction of a request: `path` is all of its path but the transaction id.
    pub fn new(session: &Session, path: &[&str], txn_id: &str) -> Self {
        let mut hash = Sha256::new();
        for part in path.iter().copied().chain([txn_id]) {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        let mut scope = [0; 16];
        scope.copy_from_slice(&hash.finalize()[..16]);
        Self { device_num: session.device_num, scope, txn_id: Arc::from(txn_id) }
    }
}

impl Sender {
    /// Sends one event of a member and gives its id. `transaction` makes a repeated request give the same id.
    pub async fn send(
        &self,
        room_id: &RoomId,
        by: (UserNum, &OwnedUserId),
        mut draft: EventDraft,
        transaction: Option<Transaction>,
    ) -> Result<OwnedEventId> {
        let room = self.rooms.get(room_id).await?;
        draft.redacts = redaction::target(&draft)?;
        let mut tries = 0;
        loop {
            tries += 1;
            let _writer = room.writer().await;
            match self.try_send(&room, by.0, draft.clone(), transaction.as_ref()).await {
                Err(Error::Store(StoreError::Conflict("rooms.revision"))) if tries < 5 => {
                    self.rooms.reload(&room).await?;
                }
                // The transaction was made before: its event is the answer.
                Err(Error::Store(StoreError::Conflict(_))) if transaction.is_some() => {
                    return self.made_before(transaction.as_ref()).await;
                }
                // What was allowed once is not refused when the request is repeated, whatever happened to the sender's rights since.
                Err(Error::Matrix(refused)) if transaction.is_some() => {
                    return self.made_before(transaction.as_ref()).await.map_err(|_| Error::Matrix(refused));
                }
                other => {
                    if other.is_ok() {
                        self.presence.active(by.0);
                        // Whoever writes has read what came before.
                        self.bell.user(by.0);
                    }
                    return other;
                }
            }
        }
    }

    async fn try_send(
        &self,
        room: &Arc<crate::rooms::Room>,
        by: UserNum,
        draft: EventDraft,
        transaction: Option<&Transaction>,
    ) -> Result<OwnedEventId> {
        let mut staging = self.begin(room);
        let redacts = draft.redacts.clone();
        let is_member_event = draft.kind == ruma::events::TimelineEventType::RoomMember;
        if !is_member_event && staging.view.membership(by) != Membership::Join {
            return Err(forbidden("You are not in this room."));
        }
        let pdu = self.stage(&mut staging, draft).await?;
        let reload = match redacts {
            Some(target) => self.stage_redaction(&mut staging, pdu.sender(), &target).await?,
            None => false,
        };
        if let Some(transaction) = transaction {
            let day = self.clock.now_ms() / DAY_MS;
            if let Some(event_num) = staging.note_transaction(transaction.device_num, &transaction.scope, day) {
                // Before anybody is told of the event.
                self.events.echoes.note(event_num, transaction.device_num, &transaction.txn_id);
            }
        }
        self.commit(Some(room), staging).await?;
        if reload {
            self.rooms.reload(room).await?;
        }
        Ok(pdu.event_id().to_owned())
    }

    async fn made_before(&self, transaction: Option<&Transaction>) -> Result<OwnedEventId> {
        let Some(&Transaction { device_num, scope, .. }) = transaction else {
            return Err(Error::internal("a write failed that has no transaction"));
        };
        let found = self
            .store
            .read(move |snapshot| async move { transactions::event(&snapshot, device_num, &scope).await })
            .await?;
        let event_num = found.ok_or(Error::Store(StoreError::Conflict("transactions.scope")))?;
        Ok(self.events.get(event_num).await?.event_id().to_owned())
    }
}
