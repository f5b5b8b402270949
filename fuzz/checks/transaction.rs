//! Whatever bytes come as a transaction: each of its events is refused or taken, each of its ephemeral messages is read or not.

use domicile_room::event::receive;
use ruma::RoomVersionId;
use ruma::api::federation::transactions::edu::Edu;
use ruma::serde::Raw;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Events and ephemeral messages of a transaction at most (server-server, *Transactions*).
const MOST: (usize, usize) = (50, 100);

#[derive(Deserialize)]
struct Transaction {
    pdus: Vec<Box<RawValue>>,
    #[serde(default)]
    edus: Vec<Raw<Edu>>,
}

/// The first byte chooses the version of the rooms; the rest is the body, or not.
pub fn run(data: &[u8]) {
    let [version, body @ ..] = data else { return };
    let version = 1 + version % 12;
    let Some(rules) = RoomVersionId::try_from(version.to_string()).ok().and_then(|version| version.rules()) else {
        return;
    };
    let Ok(transaction) = serde_json::from_slice::<Transaction>(body) else { return };
    if transaction.pdus.len() > MOST.0 || transaction.edus.len() > MOST.1 {
        return;
    }
    for pdu in &transaction.pdus {
        let Some(room_id) = receive::room_of(pdu.get().as_bytes()) else { continue };
        if let Ok(event) = receive::read(pdu.get().as_bytes(), &rules) {
            assert!(event.is_of(&room_id), "an event is of another room than it says");
        }
    }
    for edu in &transaction.edus {
        let _ = edu.deserialize();
    }
}
