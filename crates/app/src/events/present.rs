//! An event as one reader sees it: the shared part, and `unsigned` with what is theirs.

use std::sync::Arc;

use domicile_core::ids::{DeviceNum, UserNum};
use domicile_room::event::ClientEvent;
use domicile_store::Snapshot;
use serde_json::{Map, Value, value::RawValue};

use super::{
    Bundles, Events, ShownNames, Stored,
    aggregate::{Bundle, ThreadSummary},
};
use crate::{
    Error, Result,
    rooms::{StateKeys, StateTrees, visibility::Sight},
};

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

/// In which form events are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Without their room, as `/sync` wants them.
    InSync,
    /// With their room, as everything else wants them.
    WithRoom,
}

/// Makes what a reader sees of events.
pub struct Presenter {
    events: Arc<Events>,
    keys: Arc<StateKeys>,
    trees: Arc<StateTrees>,
    names: Arc<ShownNames>,
}

impl Presenter {
    /// Over events, keys and trees, and with the names that stand in no event.
    pub fn new(events: Arc<Events>, keys: Arc<StateKeys>, trees: Arc<StateTrees>, names: Arc<ShownNames>) -> Self {
        Self { events, keys, trees, names }
    }

    /// Names that stand in no event.
    pub fn names(&self) -> &Arc<ShownNames> {
        &self.names
    }

    /// What is needed to look at history.
    pub fn sight(&self) -> Sight<'_> {
        Sight { events: &self.events, keys: &self.keys, trees: &self.trees }
    }

    /// The event without its room, as `/sync` wants it.
    pub async fn in_sync(&self, snapshot: &Snapshot, event: &Stored, reader: Reader) -> Result<Box<RawValue>> {
        let unsigned = self.unsigned(snapshot, event, reader).await?;
        self.raw(snapshot, event, Form::InSync, &unsigned).await
    }

    /// The event with its room, as everything else wants it.
    pub async fn with_room(&self, snapshot: &Snapshot, event: &Stored, reader: Reader) -> Result<Box<RawValue>> {
        let unsigned = self.unsigned(snapshot, event, reader).await?;
        self.raw(snapshot, event, Form::WithRoom, &unsigned).await
    }

    /// The event with what there is to tell about its children.
    pub async fn bundled(
        &self,
        snapshot: &Snapshot,
        event: &Stored,
        (reader, form): (Reader, Form),
        bundles: &Bundles,
    ) -> Result<Box<RawValue>> {
        let unsigned = self.unsigned(snapshot, event, reader).await?;
        let Some(bundle) = bundles.of(event.event_num) else {
            return self.raw(snapshot, event, form, &unsigned).await;
        };
        let mut told = self.children(snapshot, bundle, (reader, form)).await?;
        if let Some(ThreadSummary { latest, replies, participated }) = &bundle.thread {
            let unsigned = self.unsigned(snapshot, latest, reader).await?;
            let latest = match bundles.of(latest.event_num) {
                Some(bundle) => {
                    let told = self.children(snapshot, bundle, (reader, form)).await?;
                    raw((&latest.client, latest), form, &with_relations(&unsigned, &told))?
                }
                None => raw((&latest.client, latest), form, &unsigned)?,
            };
            told.push(format!(
                "\"m.thread\":{{\"count\":{replies},\"current_user_participated\":{participated},\"latest_event\":{latest}}}"
            ));
        }
        self.raw(snapshot, event, form, &with_relations(&unsigned, &told)).await
    }

    /// A bundle but for its thread, each part as a member of a JSON object.
    async fn children(
        &self,
        snapshot: &Snapshot,
        bundle: &Bundle,
        (reader, form): (Reader, Form),
    ) -> Result<Vec<String>> {
        let mut told = Vec::new();
        if !bundle.references.is_empty() {
            let chunk: Vec<Value> = bundle.references.iter().map(|id| serde_json::json!({ "event_id": id })).collect();
            told.push(format!("\"m.reference\":{{\"chunk\":{}}}", Value::Array(chunk)));
        }
        if let Some(edit) = &bundle.edit {
            let unsigned = self.unsigned(snapshot, edit, reader).await?;
            told.push(format!("\"m.replace\":{}", raw((&edit.client, edit), form, &unsigned)?));
        }
        Ok(told)
    }

    /// An event with the name that its membership lacks, if it does.
    async fn raw(&self, snapshot: &Snapshot, event: &Stored, form: Form, unsigned: &str) -> Result<Box<RawValue>> {
        if event.pdu.is_state()
            && let Some(content) = self.names.filled(snapshot, &event.pdu).await?
        {
            let client = ClientEvent::with_content(&event.pdu, &content);
            return raw((&client, event), form, unsigned);
        }
        raw((&event.client, event), form, unsigned)
    }

    async fn unsigned(&self, snapshot: &Snapshot, event: &Stored, reader: Reader) -> Result<String> {
        let age = reader.now_ms.saturating_sub(i64::from(event.pdu.origin_server_ts().0)).max(0);
        let echo = self.events.echoes.of(event.event_num, reader.device_num);
        if event.redacted_by.is_none() && !event.pdu.is_state() {
            return Ok(match echo {
                Some(txn_id) => format!("{{\"age\":{age},\"transaction_id\":{}}}", Value::from(&*txn_id)),
                None => format!("{{\"age\":{age}}}"),
            });
        }
        let mut unsigned = Map::new();
        unsigned.insert("age".to_owned(), age.into());
        if let Some(txn_id) = echo {
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
            let filled = self.names.filled(snapshot, &before.pdu).await?;
            let content = filled.as_deref().unwrap_or(before.pdu.content()).get();
            let content = serde_json::from_str(content).unwrap_or_default();
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

fn raw((client, event): (&ClientEvent, &Stored), form: Form, unsigned: &str) -> Result<Box<RawValue>> {
    match form {
        Form::InSync => client.raw(Some(unsigned)),
        Form::WithRoom => client.raw_with_room(&event.room.room_id, Some(unsigned)),
    }
    .map_err(Error::internal)
}

/// `unsigned`, an object that is not empty, with the members of `m.relations`.
fn with_relations(unsigned: &str, told: &[String]) -> String {
    match unsigned.strip_suffix('}') {
        Some(open) if !told.is_empty() => format!("{open},\"m.relations\":{{{}}}}}", told.join(",")),
        _ => unsigned.to_owned(),
    }
}
