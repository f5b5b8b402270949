//! How a new event points at another, as far as it is looked up later.

use bytes::Bytes;
use domicile_core::{
    error::ErrorKind,
    ids::{EventNum, RoomNum},
    limits,
};
use domicile_room::event::{Pdu, Relation, relation::is_valid_edit};
use domicile_store::{
    Batch, Value, event_id,
    table::{
        relations::{self, NewRelation},
        threads::{self, NewReply},
    },
};

use super::{Sender, StagedEvent, Staging};
use crate::Result;

/// A relation that is written with its event.
#[derive(Debug)]
pub(super) struct Related {
    relation: Relation,
    parent: Bytes,
    /// The root of the thread that the event replies in.
    pub(super) thread_num: Option<EventNum>,
    is_edit: bool,
}

impl Sender {
    /// How an event points at another. State events point at nothing.
    pub(super) async fn relate(&self, staging: &Staging, pdu: &Pdu) -> Result<Option<Related>> {
        let Some(relation) = pdu.relation().filter(|_| !pdu.is_state()) else { return Ok(None) };
        // What cannot be a name of a relation relates nothing.
        if relation.rel_type.len() > limits::ID_BYTES || relation.rel_type.contains('\0') {
            return Ok(None);
        }
        let mut related =
            Related { parent: event_id::to_bytes(&relation.event_id), relation, thread_num: None, is_edit: false };
        match related.relation.rel_type.as_str() {
            "m.thread" => related.thread_num = self.thread_root(staging, pdu, &related.relation).await?,
            "m.replace" => {
                let original = self.events.by_id(&related.relation.event_id).await?;
                related.is_edit = original.is_some_and(|original| {
                    original.room.room_num == staging.room_num() && is_valid_edit(&original.pdu, pdu)
                });
            }
            _ => {}
        }
        Ok(Some(related))
    }

    /// The root of a thread, if it is an event of this room.
    async fn thread_root(&self, staging: &Staging, pdu: &Pdu, relation: &Relation) -> Result<Option<EventNum>> {
        let root = self.events.by_id(&relation.event_id).await?;
        let Some(root) = root.filter(|event| event.room.room_num == staging.room_num()) else { return Ok(None) };
        // Threads do not branch (client-server, *Validation of `m.thread` relationships*).
        if root.pdu.relation().is_some() {
            // What others made is not refused for it, but it is in no thread.
            if !self.users.is_local(pdu.sender()) {
                return Ok(None);
            }
            let told = "A thread cannot begin at an event that itself points at another.";
            return Err(ErrorKind::BadRequest.with(told).into());
        }
        Ok(Some(root.event_num))
    }
}

impl Related {
    /// Writes the relation of an event.
    pub(super) fn write(&self, batch: &mut Batch, room_num: RoomNum, event: &StagedEvent, position: &Value) {
        let kind = event.pdu.kind().to_string();
        let relation = NewRelation {
            event_num: event.event_num,
            room_num,
            parent: self.parent.clone(),
            rel_type: &self.relation.rel_type,
            kind: &kind,
            replaces_ts: self.is_edit.then(|| i64::from(event.pdu.origin_server_ts().0)),
        };
        relations::insert(batch, &relation, position.clone());
        if let Some(root_num) = self.thread_num {
            let reply = NewReply {
                root_num,
                room_num,
                event_num: event.event_num,
                sender_num: event.sender_num,
                totals: event.counted.thread_totals.clone(),
            };
            threads::reply(batch, &reply, position);
        }
    }
}
