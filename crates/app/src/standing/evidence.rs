//! How old the evidence is on which papers rest: what is stored where comes from the audit, what crossed a border from the ledger.

use std::sync::Arc;

use domicile_core::{
    clock::{Clock, DAY_MS},
    plural::counted,
};
use futures::future::BoxFuture;

use crate::{
    Result,
    evidence::{Documents, audit},
};

/// How old evidence may be that a paper rests on, in milliseconds.
const FRESH_MS: i64 = 31 * DAY_MS;

/// When evidence was last made, in milliseconds since the epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ages {
    /// The last audit that found nothing foreign here.
    pub audit_ts: Option<i64>,
    /// The last day of the ledger of what crossed.
    pub ledger_ts: Option<i64>,
}

/// Knows how old the evidence is.
pub trait Evidence: Send + Sync {
    /// When it was last made.
    fn ages(&self) -> BoxFuture<'_, Result<Ages>>;
}

/// What this cell keeps: its signed audits, and its ledger, which is written while things cross.
pub struct KeptEvidence {
    documents: Arc<Documents>,
    clock: Arc<dyn Clock>,
}

impl KeptEvidence {
    /// The evidence among signed documents.
    pub fn new(documents: Arc<Documents>, clock: Arc<dyn Clock>) -> Self {
        Self { documents, clock }
    }

    /// When the newest audit was made that found nothing foreign.
    fn audit_ts(&self) -> Result<Option<i64>> {
        let documents = self.documents.all()?;
        let passed = documents.iter().rev().find_map(|(.., document)| {
            let passed = document["kind"] == audit::KIND && document["body"]["passed"] == true;
            document["made_ts"].as_i64().filter(|_| passed)
        });
        Ok(passed)
    }
}

impl Evidence for KeptEvidence {
    fn ages(&self) -> BoxFuture<'_, Result<Ages>> {
        Box::pin(async { Ok(Ages { audit_ts: self.audit_ts()?, ledger_ts: Some(self.clock.now_ms()) }) })
    }
}

/// Why a piece of evidence does not carry a paper, if it does not.
pub(super) fn stale(name: &str, made_ts: Option<i64>, now_ms: i64, command: &str) -> Option<String> {
    match made_ts {
        None => Some(format!("there is no {name} that it could rest on: `{command}`")),
        Some(at) if at < now_ms - FRESH_MS => {
            let days = (now_ms - at) / DAY_MS;
            Some(format!(
                "the last {name} is {} old, and a paper may rest on one of 31 days at most: `{command}`",
                counted(days.unsigned_abs(), "day", "days")
            ))
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_grows_old() {
        let now = 100 * DAY_MS;
        assert_eq!(stale("audit", Some(now - FRESH_MS), now, "x"), None);
        assert!(stale("audit", Some(now - FRESH_MS - 1), now, "x").is_some_and(|why| why.contains("31 days old")));
        assert!(stale("audit", None, now, "domicile audit").is_some_and(|why| why.contains("`domicile audit`")));
    }
}
