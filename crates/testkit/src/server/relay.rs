//! Telling another server by hand what is noted for others, in one transaction: for tests that decide when the other hears it.

#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a fixture that fails ends its test")]

use std::collections::BTreeMap;

use domicile_app::federation::peers::LARGE;
use domicile_core::ids::Position;
use domicile_store::{
    StoreError,
    table::{destinations, events},
};
use ruma::{MilliSecondsSinceUnixEpoch, TransactionId, UInt, api::federation::transactions::send_transaction_message};
use serde_json::value::RawValue;

use super::TestServer;

impl TestServer {
    /// Tells `to` the events that are noted for others after a position, 50 at most. Gives where they end, and what is wrong with each.
    pub async fn relay(&self, to: &Self, after: Position) -> (Position, BTreeMap<String, Option<String>>) {
        let read = self.store.read(move |snapshot| async move {
            let (mut pdus, mut last) = (Vec::new(), after);
            for (position, event_num) in destinations::told_after(&snapshot, after, 50).await? {
                pdus.extend(events::by_nums(&snapshot, [event_num]).await?);
                last = position;
            }
            Ok::<_, StoreError>((last, pdus))
        });
        let (last, rows) = read.await.expect("a database");
        let now = MilliSecondsSinceUnixEpoch(UInt::from(1_u32));
        let mut request = send_transaction_message::v1::Request::new(TransactionId::new(), self.name(), now);
        let json = |row: events::Event| String::from_utf8(row.json.to_vec()).expect("text");
        request.pdus = rows.into_iter().map(|row| RawValue::from_string(json(row)).expect("JSON")).collect();
        let answer = self.services.peers.ask(&to.name(), request, LARGE).await.expect("an answer");
        (last, answer.pdus.into_iter().map(|(id, answer)| (id.to_string(), answer.err())).collect())
    }
}
