//! A notification as a push gateway gets it (push gateway specification, `POST /notify`).

use domicile_room::push_rules::Outcome;
use domicile_store::Snapshot;
use ruma::{UserId, api::client::push::PusherKind, push::PushFormat};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    news::{Badge, Notifying},
    pushers::Details,
};
use crate::{
    Result,
    events::{Events, Stored},
    rooms::{StateKeys, StateTrees},
};

/// What names in a notification are looked up with.
pub(super) struct Names<'a> {
    pub(super) events: &'a Events,
    pub(super) keys: &'a StateKeys,
    pub(super) trees: &'a StateTrees,
}

/// A new count of what is unread, by itself.
pub(super) fn of_badge(details: &Details, badge: Badge) -> Value {
    json!({ "counts": counts(badge), "devices": [device(details, None)], "prio": "low" })
}

/// A notification about an event: all of it, or its id only, as the pusher wants.
pub(super) async fn of_event(
    names: &Names<'_>,
    snapshot: &Snapshot,
    details: &Details,
    user_id: &UserId,
    found: &Notifying,
    badge: Badge,
) -> Result<Value> {
    let event = &found.event;
    let mut told = json!({
        "event_id": event.event_id(),
        "room_id": event.room.room_id,
        "prio": if is_urgent(event, &found.outcome) { "high" } else { "low" },
        "counts": counts(badge),
        "devices": [device(details, Some(&found.outcome))],
    });
    if wants_ids_only(details) {
        return Ok(told);
    }
    told["type"] = event.pdu.kind().to_string().into();
    told["sender"] = event.pdu.sender().as_str().into();
    told["content"] = serde_json::from_str(event.pdu.content().get()).unwrap_or_default();
    if event.pdu.membership().is_some() && event.pdu.state_key() == Some(user_id.as_str()) {
        told["user_is_target"] = true.into();
    }
    let wanted = [
        ("sender_display_name", "m.room.member", event.pdu.sender().as_str()),
        ("room_name", "m.room.name", ""),
        ("room_alias", "m.room.canonical_alias", ""),
    ];
    for (field, kind, state_key) in wanted {
        if let Some(name) = names.find(snapshot, event, kind, state_key).await? {
            told[field] = name.into();
        }
    }
    Ok(told)
}

impl Names<'_> {
    /// The name that a state event says, as it was before an event.
    async fn find(&self, snapshot: &Snapshot, event: &Stored, kind: &str, state_key: &str) -> Result<Option<String>> {
        #[derive(Deserialize)]
        struct Named {
            displayname: Option<String>,
            name: Option<String>,
            alias: Option<String>,
        }
        let Some(key_num) = self.keys.load(snapshot, kind, state_key).await? else { return Ok(None) };
        let Some(num) = self.trees.get(snapshot, event.state_before, key_num).await? else { return Ok(None) };
        let state = self.events.load(snapshot, &[num]).await?.into_iter().next();
        let named = state.and_then(|state| state.pdu.content_as::<Named>());
        let name = named.and_then(|named| match kind {
            "m.room.member" => named.displayname,
            "m.room.name" => named.name,
            _ => named.alias,
        });
        Ok(name.filter(|name| !name.is_empty()))
    }
}

/// Whether it may wake the device: what can be told is that somebody is addressed or a sound is to be played; of what is encrypted, nothing.
fn is_urgent(event: &Stored, outcome: &Outcome) -> bool {
    outcome.highlight || outcome.tweaks.contains_key("sound") || event.pdu.kind().to_string() == "m.room.encrypted"
}

fn wants_ids_only(details: &Details) -> bool {
    matches!(&details.pusher.kind, PusherKind::Http(data) if data.format == Some(PushFormat::EventIdOnly))
}

/// Counts that are zero are left out.
fn counts(badge: Badge) -> Value {
    let mut counts = Map::new();
    for (name, count) in [("unread", badge.unread), ("missed_calls", badge.missed_calls)] {
        if count > 0 {
            counts.insert(name.to_owned(), count.into());
        }
    }
    Value::Object(counts)
}

fn device(details: &Details, outcome: Option<&Outcome>) -> Value {
    let mut data = match &details.pusher.kind {
        PusherKind::Http(data) => serde_json::to_value(data).unwrap_or_default(),
        _ => json!({}),
    };
    if let Some(data) = data.as_object_mut() {
        data.remove("url");
    }
    let mut device = json!({
        "app_id": details.pusher.ids.app_id,
        "pushkey": details.pusher.ids.pushkey,
        "pushkey_ts": details.updated_ts / 1_000,
        "data": data,
    });
    if let Some(tag) = &details.pusher.profile_tag {
        device["profile_tag"] = tag.as_str().into();
    }
    if let Some(outcome) = outcome {
        device["tweaks"] = json!(outcome.tweaks);
    }
    device
}
