//! Forgetting what everybody was told, and what is too old to be told one by one: once a day.

use domicile_core::{clock::DAY_MS, ids::Position};
use domicile_store::{
    Batch, Store, StoreError,
    table::{destinations, device_changes, outgoing_edus, outgoing_events},
};

use crate::Result;

/// Days for which events are kept that somebody was not told; who comes back later is told the newest of each room. Messages to devices of a
/// server that was not reached for so long are given up, and so are its rooms that it has left.
const KEPT_DAYS: i64 = 30;
/// Rows that are removed in one write.
const ROWS: i64 = 1_000;

/// Removes it, in small steps.
pub(crate) async fn purge(store: &Store, now_ms: i64) -> Result<()> {
    let oldest_ms = now_ms - KEPT_DAYS * DAY_MS;
    let (told, head) = store
        .read(|snapshot| async move {
            Ok::<_, StoreError>((destinations::told_to_all(&snapshot).await?, snapshot.head().await?))
        })
        .await?;
    let told = told.unwrap_or(head);
    let mut after = Position::START;
    loop {
        let page =
            store.read(move |snapshot| async move { outgoing_events::page(&snapshot, after, ROWS).await }).await?;
        let goes = page.iter().take_while(|(position, ts)| *position <= told || *ts < oldest_ms);
        let Some((upto, _)) = goes.last().copied() else { break };
        let mut batch = Batch::new();
        batch.low_priority();
        outgoing_events::remove(&mut batch, after, upto);
        if upto > told {
            outgoing_events::set_purged(&mut batch, upto);
        }
        store.write(batch).await?;
        after = upto;
    }
    let mut batch = Batch::new();
    batch.low_priority();
    outgoing_edus::remove_for_unreached(&mut batch, oldest_ms);
    destinations::remove_ended(&mut batch, oldest_ms);
    device_changes::remove_gone(&mut batch, told.max(after));
    store.write(batch).await?;
    Ok(())
}
