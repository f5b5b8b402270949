//! What registers say of us at the moment, as values that others work with.

use std::collections::BTreeSet;

use domicile_residency::blocklist::Listing;
use domicile_store::table::blocklists;
use serde_json::Value;

use super::Blocklists;
use crate::Result;

/// Something of ours in a register, or near what stands in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What the register is called here.
    pub register: String,
    /// The country whose register it is; empty if nobody said.
    pub jurisdiction: String,
    /// Who decided.
    pub authority: String,
    /// The entry.
    pub listing: Listing,
    /// When it was found first, in milliseconds since the epoch.
    pub appeared_ts: i64,
}

/// What is the matter with a register itself: while it is so, nothing in it is believed to be gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What the register is called here.
    pub register: String,
    /// The country whose register it is; empty if nobody said.
    pub jurisdiction: String,
    /// What kind of trouble: `stale`, `damaged`, `unreachable` …
    pub kind: String,
    /// Where and why, in words, if that is known.
    pub why: String,
}

impl Blocklists {
    /// What of ours stands in registers, or near what does.
    pub async fn listed(&self) -> Result<Vec<Listed>> {
        let mut all = Vec::new();
        for watched in &self.parts.watched {
            for (listing, row) in self.known(&watched.name).await?.into_values() {
                let said = listing.key.authority.trim();
                all.push(Listed {
                    register: watched.name.clone(),
                    jurisdiction: watched.jurisdiction.clone(),
                    authority: if said.is_empty() { watched.authority.clone() } else { said.to_owned() },
                    appeared_ts: row.appeared_ts,
                    listing,
                });
            }
        }
        Ok(all)
    }

    /// The jurisdictions of which a register is watched; an empty one for registers of which nobody said it.
    pub fn jurisdictions(&self) -> BTreeSet<String> {
        self.parts.watched.iter().map(|watched| watched.jurisdiction.clone()).collect()
    }

    /// What is the matter with registers.
    pub async fn troubles(&self) -> Result<Vec<Trouble>> {
        let mut all = Vec::new();
        for watched in &self.parts.watched {
            let name = watched.name.clone();
            let read =
                self.parts.store.read(move |snapshot| async move { blocklists::open_alerts(&snapshot, &name).await });
            for alert in read.await?.into_iter().filter(|alert| alert.own.is_none()) {
                all.push(Trouble {
                    register: watched.name.clone(),
                    jurisdiction: watched.jurisdiction.clone(),
                    why: why(&serde_json::from_str(&alert.detail).unwrap_or_default()),
                    kind: alert.kind,
                });
            }
        }
        Ok(all)
    }
}

/// The part, the line and the reason of a warning, as far as it has them; of an entry that is too wide, itself and who decided.
fn why(detail: &Value) -> String {
    let mut why = Vec::new();
    if let Some(part) = detail["part"].as_str() {
        why.push(part.to_owned());
    }
    if let Some(line) = detail["line"].as_u64().filter(|line| *line > 0) {
        why.push(format!("line {line}"));
    }
    let mut why = why.join(", ");
    let reason = detail["reason"].as_str().map(str::to_owned).or_else(|| {
        let (wide, by) = (detail["matched"].as_str()?, detail["authority"].as_str().unwrap_or_default());
        Some(if by.is_empty() { format!("`{wide}`") } else { format!("`{wide}` of {by}") })
    });
    if let Some(reason) = reason {
        if !why.is_empty() {
            why.push_str(": ");
        }
        why.push_str(&reason);
    }
    why
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn trouble_is_told_with_its_place() {
        assert_eq!(why(&json!({ "part": "dump.csv", "line": 7, "reason": "a quote" })), "dump.csv, line 7: a quote");
        assert_eq!(why(&json!({ "part": "dump.csv", "reason": "no answer" })), "dump.csv: no answer");
        assert_eq!(why(&json!({ "updated_ms": 1 })), "");
        let broad = json!({ "part": "dump.csv", "line": 3, "matched": "*", "authority": "Суд" });
        assert_eq!(why(&broad), "dump.csv, line 3: `*` of Суд");
    }
}
