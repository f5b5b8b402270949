//! Which spans of stream positions are this cell's own, in `meta`: a token from another cell, or from before a restore, lies in another one.

use crate::{Batch, Snapshot, StoreError, params};

/// Positions of one span: enough for centuries, and 8,192 spans of them are numbers that JSON has.
pub const SPAN: i64 = 1 << 39;

/// The spans that this cell has used, the present one last; none if it never chose one.
pub async fn read(snapshot: &Snapshot) -> Result<Vec<i64>, StoreError> {
    let row = snapshot.query_opt("SELECT value FROM meta WHERE name = 'spans'", &[]).await?;
    let Some(row) = row else { return Ok(Vec::new()) };
    Ok(row.text(0)?.split(',').filter_map(|span| span.parse().ok()).collect())
}

/// Goes on in a new span. `head` is the last position that was given out; `spans` are all, the new one last.
pub fn begin(batch: &mut Batch, head: i64, spans: &[i64]) {
    let text: Vec<String> = spans.iter().map(ToString::to_string).collect();
    batch.push(
        "INSERT INTO meta (name, value) VALUES ('spans', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        params![text.join(",")],
    );
    let begins = spans.last().copied().unwrap_or_default().saturating_mul(SPAN);
    batch.skip_positions(begins.saturating_sub(head));
}
