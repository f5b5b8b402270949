//! `duty_decisions`: duties that the operator chose not to meet.

use crate::{Batch, Snapshot, StoreError, params};

/// A row of `duty_decisions`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DutyDecision {
    /// The duty's whole name, such as `RU/ori-registration`.
    pub duty: String,
    /// Who decided.
    pub who: String,
    /// Why.
    pub why: String,
    /// When, in milliseconds since the epoch.
    pub decided_ts: i64,
}

/// All decisions.
pub async fn all(snapshot: &Snapshot) -> Result<Vec<DutyDecision>, StoreError> {
    let rows = snapshot.query("SELECT duty, who, why, decided_ts FROM duty_decisions ORDER BY duty", &[]).await?;
    rows.iter()
        .map(|row| {
            Ok(DutyDecision {
                duty: row.text(0)?.to_owned(),
                who: row.text(1)?.to_owned(),
                why: row.text(2)?.to_owned(),
                decided_ts: row.int(3)?,
            })
        })
        .collect()
}

/// Notes a decision, in the place of an older one.
pub fn set(batch: &mut Batch, decision: DutyDecision) {
    batch.push(
        "INSERT INTO duty_decisions (duty, who, why, decided_ts) VALUES ($1, $2, $3, $4)
         ON CONFLICT (duty) DO UPDATE SET who = excluded.who, why = excluded.why, decided_ts = excluded.decided_ts",
        params![decision.duty, decision.who, decision.why, decision.decided_ts],
    );
}

/// Takes a decision back.
pub fn remove(batch: &mut Batch, duty: &str) {
    batch.push("DELETE FROM duty_decisions WHERE duty = $1", params![duty]);
}
