//! Cuts as operators see them.

use domicile_store::{
    StoreError,
    table::cuts::{self, Cut},
};
use serde::Serialize;

use super::{Cuts, KEPT_MS, Waited};
use crate::Result;

/// Cuts that are over of which operators are shown the newest.
const PAST: i64 = 20;

/// A cut. Times are in milliseconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownCut {
    /// The cell that is not reached, or does not reach this one.
    pub cell: String,
    /// Since when.
    pub since_ts: i64,
    /// Since when people are told; none: it may be a hiccup.
    pub declared_ts: Option<i64>,
    /// Since when it is reached again.
    pub whole_ts: Option<i64>,
    /// When it was over.
    pub ended_ts: Option<i64>,
    /// What waits for it here, or had waited.
    pub here: Waited,
    /// What had waited there, as it said when it was over.
    pub there: Option<Waited>,
    /// How many people here were told.
    pub told: i64,
    /// How many of them were told that it is over.
    pub told_of_end: i64,
}

/// Cuts, now and before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CutStatus {
    /// Those that are not over, by cell.
    pub now: Vec<ShownCut>,
    /// Those that are, the newest first.
    pub past: Vec<ShownCut>,
}

/// How many cuts there are, for counting. As last looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CutGauge {
    /// Cells that are cut off, of which people are told.
    pub cells: u64,
    /// For how long the first of them is, in milliseconds.
    pub longest_ms: i64,
    /// What waits for all of them.
    pub waiting: Waited,
}

impl CutGauge {
    pub(super) fn of(open: &[Cut], now_ms: i64) -> Self {
        let mut gauge = Self::default();
        for cut in open.iter().filter(|cut| cut.declared_ts.is_some() && cut.whole_ts.is_none()) {
            gauge.cells += 1;
            gauge.longest_ms = gauge.longest_ms.max(now_ms.saturating_sub(cut.since_ts));
            gauge.waiting.removals += cut.counts.removals;
            gauge.waiting.bans += cut.counts.bans;
            gauge.waiting.sign_outs += cut.counts.sign_outs;
            gauge.waiting.messages += cut.counts.messages;
        }
        gauge
    }
}

impl Cuts {
    /// Cuts, now and in the last three months.
    pub async fn status(&self) -> Result<CutStatus> {
        let Some(parts) = &self.parts else { return Ok(CutStatus::default()) };
        let after_ms = parts.clock.now_ms() - KEPT_MS;
        let read = parts.store.read(move |snapshot| async move {
            let mut status = CutStatus::default();
            for cut in cuts::open(&snapshot).await? {
                let told = cuts::told(&snapshot, cut.cut_num).await?;
                status.now.push(shown(cut, told));
            }
            for cut in cuts::ended_after(&snapshot, after_ms, PAST).await? {
                let told = cuts::told(&snapshot, cut.cut_num).await?;
                status.past.push(shown(cut, told));
            }
            Ok::<_, StoreError>(status)
        });
        Ok(read.await?)
    }

    /// How many there are, as last looked at.
    pub fn gauge(&self) -> CutGauge {
        *self.gauge.lock()
    }
}

fn shown(cut: Cut, (told, told_of_end): (i64, i64)) -> ShownCut {
    ShownCut {
        cell: cut.cell,
        since_ts: cut.since_ts,
        declared_ts: cut.declared_ts,
        whole_ts: cut.whole_ts,
        ended_ts: cut.ended_ts,
        here: cut.counts.into(),
        there: cut.there.as_deref().and_then(|there| serde_json::from_str(there).ok()),
        told,
        told_of_end,
    }
}
