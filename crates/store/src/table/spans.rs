//! Which spans of stream positions are this cell's own, in `meta`: a token from another cell, or from before a restore, lies in another one.

use crate::{Batch, Snapshot, StoreError, params};

/// Positions of one span: enough for centuries, and 8,192 spans of them are numbers that JSON has.
pub const SPAN: i64 = 1 << 39;

/// A span that this cell has used, and the last position in it that it knows to have given out. None where it knows of all.
pub type Used = (i64, Option<i64>);

/// The spans that this cell has used, the present one last; none if it never chose one.
pub async fn read(snapshot: &Snapshot) -> Result<Vec<Used>, StoreError> {
    let row = snapshot.query_opt("SELECT value FROM meta WHERE name = 'spans'", &[]).await?;
    let Some(row) = row else { return Ok(Vec::new()) };
    Ok(row.text(0)?.split(',').filter_map(used).collect())
}

fn used(text: &str) -> Option<Used> {
    match text.split_once('@') {
        Some((span, limit)) => Some((span.parse().ok()?, Some(limit.parse().ok()?))),
        None => Some((text.parse().ok()?, None)),
    }
}

/// Goes on in a new span. `head` is the last position that was given out; `spans` are all, the new one last.
pub fn begin(batch: &mut Batch, head: i64, spans: &[Used]) {
    let text = |(span, limit): &Used| limit.map_or_else(|| span.to_string(), |limit| format!("{span}@{limit}"));
    let all: Vec<String> = spans.iter().map(text).collect();
    batch.push(
        "INSERT INTO meta (name, value) VALUES ('spans', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        params![all.join(",")],
    );
    let begins = spans.last().map_or(0, |(span, _)| *span).saturating_mul(SPAN);
    batch.skip_positions(begins.saturating_sub(head));
}
