//! What `/sync` brought, in the order and in the state in which it came.
//!
//! A message that could not be decrypted when it arrived stays on the list as such, even where its key comes later.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use matrix_sdk::ruma::events::AnySyncTimelineEvent;
use matrix_sdk::ruma::serde::Raw;
use matrix_sdk::{Client, Room};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// One message's arrival.
#[derive(Debug, Clone)]
struct Arrival {
    room: String,
    event: String,
    sender: String,
    /// Nothing when it could not be decrypted.
    body: Option<String>,
}

/// The parts of an event that matter here.
#[derive(Debug, Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    event_id: String,
    sender: String,
    content: Value,
}

/// All arrivals so far; clones share one list.
#[derive(Debug, Clone, Default)]
pub struct Inbox {
    arrivals: Arc<Mutex<Vec<Arrival>>>,
    /// Whether an event may come again: a sliding connection that the server has forgotten begins anew, by the protocol
    /// with events that the client knows. `/v3/sync` never repeats itself.
    lenient: Arc<AtomicBool>,
    changed: Arc<Notify>,
}

impl Inbox {
    /// Writes down what this client receives from now on.
    pub fn listen(&self, client: &Client) {
        let inbox = self.clone();
        client.add_event_handler(move |raw: Raw<AnySyncTimelineEvent>, room: Room| {
            if let Ok(event) = raw.deserialize_as_unchecked::<Event>() {
                inbox.take(room.room_id().as_str(), event);
            }
            std::future::ready(())
        });
    }

    /// Whether an event that came before is passed over, or counted again.
    pub fn be_lenient(&self, lenient: bool) {
        self.lenient.store(lenient, Ordering::Relaxed);
    }

    fn take(&self, room: &str, event: Event) {
        let body = match event.kind.as_str() {
            "m.room.message" => Some(event.content["body"].as_str().unwrap_or_default().to_owned()),
            "m.room.encrypted" => None,
            _ => return,
        };
        let arrival = Arrival { room: room.to_owned(), event: event.event_id, sender: event.sender, body };
        let mut arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        if self.lenient.load(Ordering::Relaxed) && arrivals.iter().any(|earlier| earlier.event == arrival.event) {
            return;
        }
        arrivals.push(arrival);
        drop(arrivals);
        self.changed.notify_waiters();
    }

    fn of_room(&self, room: &str) -> Vec<Arrival> {
        let arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        arrivals.iter().filter(|arrival| arrival.room == room).cloned().collect()
    }

    /// Waits for these, and tells `{"counts": {body: times}, "unreadable": [event]}`.
    pub async fn expect(&self, room: &str, bodies: &[String], timeout: u64) -> Value {
        let until = Instant::now() + Duration::from_millis(timeout);
        loop {
            // Asked for first, so that what comes between the look and the wait wakes it.
            let changed = self.changed.notified();
            let arrivals = self.of_room(room);
            let mut counts: BTreeMap<&str, u32> = bodies.iter().map(|body| (body.as_str(), 0)).collect();
            for body in arrivals.iter().filter_map(|arrival| arrival.body.as_deref()) {
                if let Some(count) = counts.get_mut(body) {
                    *count += 1;
                }
            }
            let complete = counts.values().all(|count| *count > 0);
            if complete || timeout_at(until, changed).await.is_err() {
                let unreadable: Vec<&str> =
                    arrivals.iter().filter(|arrival| arrival.body.is_none()).map(|a| a.event.as_str()).collect();
                return json!({ "complete": complete, "counts": counts, "unreadable": unreadable });
            }
        }
    }

    /// Begins the list anew.
    pub fn forget(&self) -> Value {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).clear();
        json!({})
    }

    /// Everything from this room.
    pub fn arrivals(&self, room: &str) -> Value {
        let list: Vec<Value> = self
            .of_room(room)
            .into_iter()
            .map(|arrival| json!({ "event": arrival.event, "sender": arrival.sender, "body": arrival.body }))
            .collect();
        json!({ "messages": list })
    }
}
