//! The graph of events that a test server has, as it stands in its database.

#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a fixture that fails ends its test")]

use std::collections::BTreeMap;

use domicile_store::{StoreError, event_id, params};
use ruma::OwnedEventId;
use serde_json::Value;

use super::TestServer;

/// What a test asks of the graphs of all rooms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graphs {
    /// Events that are noted as missing, each once.
    pub noted: Vec<OwnedEventId>,
    /// Events that others name and that are not here, each once.
    pub missing: Vec<OwnedEventId>,
    /// Events that wait for others.
    pub waiting: i64,
    /// Events that are no state, in timelines.
    pub messages: i64,
    /// Ends of all graphs.
    pub ends: i64,
    /// Writes to all rooms.
    pub writes: i64,
}

impl TestServer {
    /// Whether there is a copy of a room here.
    pub async fn has_copy(&self, room_id: &str) -> bool {
        let room_id = room_id.to_owned();
        let sql = "SELECT COUNT(*) FROM rooms WHERE room_id = $1 AND has_copy = 1";
        let read =
            self.store.read(move |snapshot| async move { snapshot.query_one(sql, &params![room_id]).await?.int(0) });
        read.await.expect("a database") > 0
    }

    /// The graphs of all rooms now.
    pub async fn graphs(&self) -> Graphs {
        let read = self.store.read(|snapshot| async move {
            let mut noted = Vec::new();
            for row in snapshot.query("SELECT DISTINCT missing FROM backward_extremities", &[]).await? {
                noted.push(event_id::from_bytes(&row.blob(0)?)?);
            }
            let mut graph: BTreeMap<OwnedEventId, Vec<OwnedEventId>> = BTreeMap::new();
            for row in snapshot.query("SELECT event_id, json FROM events WHERE status = 0", &[]).await? {
                let event: Value = serde_json::from_slice(&row.blob(1)?).expect("an event is JSON");
                let named = serde_json::from_value(event["prev_events"].clone()).unwrap_or_default();
                graph.insert(event_id::from_bytes(&row.blob(0)?)?, named);
            }
            let named = graph.values().flatten().filter(|id| !graph.contains_key(*id));
            let mut missing: Vec<OwnedEventId> = named.cloned().collect();
            missing.sort();
            missing.dedup();
            noted.sort();
            let waiting = snapshot.query_one("SELECT COUNT(*) FROM inbound_pdus", &[]).await?.int(0)?;
            let messages = "SELECT COUNT(*) FROM events WHERE status = 0 AND key_num IS NULL AND position IS NOT NULL";
            let messages = snapshot.query_one(messages, &[]).await?.int(0)?;
            let ends =
                "SELECT (SELECT COUNT(*) FROM rooms WHERE has_copy = 1) + (SELECT COUNT(*) FROM forward_extremities)";
            let ends = snapshot.query_one(ends, &[]).await?.int(0)?;
            let writes = snapshot.query_one("SELECT CAST(SUM(revision) AS BIGINT) FROM rooms", &[]).await?.int(0)?;
            Ok::<_, StoreError>(Graphs { noted, missing, waiting, messages, ends, writes })
        });
        read.await.expect("a database")
    }
}
