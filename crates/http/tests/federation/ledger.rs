//! What goes to another server stands in the ledger, by day and kind.

use std::collections::BTreeMap;

use domicile_core::clock::DAY_MS;
use domicile_testkit::server::START_MS;
use serde_json::json;

use super::pair::{Pair, V3};

#[tokio::test]
async fn what_crosses_the_border_is_counted() {
    let pair = Pair::with(true).await;
    let day = START_MS / DAY_MS;
    let sums = async || {
        let crossings = pair.here.services.ledger.between(day, day).await.unwrap();
        let all = crossings.into_iter().map(|row| {
            assert_eq!((row.destination.as_str(), row.origin.as_str(), row.day), ("outer", "main", day));
            (row.flow, (row.items, row.bytes))
        });
        all.collect::<BTreeMap<_, _>>()
    };
    // Bob's join took a template and the room's state.
    let joined = sums().await;
    assert_eq!(joined.get("membership").map(|sum| sum.0), Some(2), "{joined:?}");

    // What the join itself told is counted where it left: it was asked for by nobody.
    let there = pair.there.services.ledger.between(day, day).await.unwrap();
    let sent: Vec<_> = there.iter().filter(|row| row.flow == "membership").collect();
    assert!(sent.len() == 1 && sent[0].destination == "outer" && sent[0].items == 1, "{there:?}");
    assert!(sent[0].bytes > 100, "{sent:?}");

    let path = format!("{V3}/profile/{}", pair.alice.id());
    pair.bob.get(&path).await.ok();
    let send = |txn: &str| format!("{V3}/rooms/{}/send/m.room.message/{txn}", pair.room);
    let text = "x".repeat(500);
    for txn in ["1", "2"] {
        pair.alice.put(&send(txn), &json!({ "msgtype": "m.text", "body": text })).await.ok();
    }
    let mut told = sums().await;
    for _ in 0..600 {
        if told.get("events").is_some_and(|sum| sum.0 >= 2) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        told = sums().await;
    }
    assert!(told["events"].0 >= 2 && told["events"].1 >= 1_000, "{told:?}");
    assert_eq!(told.get("profiles").map(|sum| sum.0), Some(1), "{told:?}");

    // What was written is not counted again, and what comes is added.
    let before = sums().await["profiles"];
    pair.here.services.ledger.write().await.unwrap();
    assert_eq!(sums().await["profiles"], before);
    pair.here.services.ledger.add("outer", domicile_app::evidence::ledger::Flow::Profiles, 3, 10);
    assert_eq!(sums().await["profiles"], (before.0 + 3, before.1 + 10));
}
