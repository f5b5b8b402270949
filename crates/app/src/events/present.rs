//! An event as one reader sees it: the shared part, and `unsigned` with what is theirs.

use std::sync::Arc;

use domicile_core::ids::{DeviceNum, EventNum, UserNum};
use domicile_store::Snapshot;
use quick_cache::sync::Cache;
use serde_json::{Map, Value, value::RawValue};

use super::{Events, Stored};
use crate::{
    Error, Result,
    rooms::{StateKeys, StateTrees},
};

/// Transactions of the last messages, for the echo to the device that sent them.
const ECHOES: usize = 50_000;

/// Who reads.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    /// The user.
    pub user_num: UserNum,
    /// Their device.
    pub device_num: DeviceNum,
    /// The time, in milliseconds since the epoch.
    pub now_ms: i64,
}

/// Makes what a reader sees of events.
pub struct Presenter {
    events: Arc<Events>,
    keys: Arc<StateKeys>,
    trees: Arc<StateTrees>,
    echoes: Cache<EventNum, (DeviceNum, Arc<str>)>,
}

impl Presenter {
    /// Over events, keys and trees.
    pub fn new(events: Arc<Events>, keys: Arc<StateKeys>, trees: Arc<StateTrees>) -> Self {
        Self { events, keys, trees, echoes: Cache::new(ECHOES) }
    }

    /// Notes with which transaction a device sent an event.
    pub fn echo(&self, event_num: EventNum, device_num: DeviceNum, txn_id: &str) {
        self.echoes.insert(event_num, (device_num, Arc::from(txn_id)));
    }

    /// The event without its room, as `/sync` wants it.
    pub async fn in_sync(&self, snapshot: &Snapshot, event: &Stored, reader: Reader) -> Result<Box<RawValue>> {
        let unsigned = self.unsigned(snapshot, event, reader).await?;
        event.client.raw(Some(&unsigned)).map_err(Error::internal)
    }

    /// The event with its room, as everything else wants it.
    pub async fn with_room(&self, snapshot: &Snapshot, event: &Stored, reader: Reader) -> Result<Box<RawValue>> {
        let unsigned = self.unsigned(snapshot, event, reader).await?;
        event.client.raw_with_room(&event.room.room_id, Some(&unsigned)).map_err(Error::internal)
    }

    async fn unsigned(&self, snapshot: &Snapshot, event: &Stored, reader: Reader) -> Result<String> {
        let age = reader.now_ms.saturating_sub(i64::from(event.pdu.origin_server_ts().0)).max(0);
        let echo = self.echoes.get(&event.event_num).filter(|(device_num, _)| *device_num == reader.device_num);
        if event.redacted_by.is_none() && !event.pdu.is_state() {
            return Ok(match echo {
                Some((_, txn_id)) => format!("{{\"age\":{age},\"transaction_id\":{}}}", Value::from(&*txn_id)),
                None => format!("{{\"age\":{age}}}"),
            });
        }
        let mut unsigned = Map::new();
        unsigned.insert("age".to_owned(), age.into());
        if let Some((_, txn_id)) = echo {
            unsigned.insert("transaction_id".to_owned(), (&*txn_id).into());
        }
        if let Some(redaction) = event.redacted_by
            && let Some(redaction) = self.events.load(snapshot, &[redaction]).await?.first()
        {
            let raw = redaction.client.raw_with_room(&redaction.room.room_id, None).map_err(Error::internal)?;
            unsigned.insert("redacted_because".to_owned(), serde_json::from_str(raw.get()).unwrap_or_default());
        }
        if let Some(before) = self.replaced(snapshot, event).await? {
            unsigned.insert("replaces_state".to_owned(), before.event_id().as_str().into());
            unsigned.insert("prev_sender".to_owned(), before.pdu.sender().as_str().into());
            let content = serde_json::from_str(before.pdu.content().get()).unwrap_or_default();
            unsigned.insert("prev_content".to_owned(), content);
        }
        Ok(Value::Object(unsigned).to_string())
    }

    /// The state event that a state event replaced.
    pub async fn replaced(&self, snapshot: &Snapshot, event: &Stored) -> Result<Option<Arc<Stored>>> {
        let Some(state_key) = event.pdu.state_key() else { return Ok(None) };
        let Some(key_num) = self.keys.load(snapshot, &event.pdu.kind().to_string(), state_key).await? else {
            return Ok(None);
        };
        match self.trees.get(snapshot, event.state_before, key_num).await? {
            Some(before) if before != event.event_num => {
                Ok(self.events.load(snapshot, &[before]).await?.into_iter().next())
            }
            _ => Ok(None),
        }
    }
}
