//! Alerts: what of a look at a register the operator must know, and what of it is over.

use domicile_residency::blocklist::{Change, Listing, Run};
use domicile_store::table::blocklists::Alert;
use serde_json::{Value, json};

use super::{Watched, kept};

/// Alerts that one look makes at most; a register in which everything meets everything is told enough with these.
const MOST: usize = 1_000;

/// An alert before it has a number.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct New {
    pub(super) kind: &'static str,
    pub(super) own: Option<String>,
    pub(super) detail: Value,
    /// Whether it is over as soon as it is told.
    pub(super) is_over: bool,
}

/// What a look at a register means for its alerts.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub(super) new: Vec<New>,
    /// Numbers of those that are over.
    pub(super) over: Vec<i64>,
}

/// Compares a look at a register with the alerts that are open.
pub(super) fn judge(
    watched: &Watched,
    run: &Run,
    unreachable: &[(String, String)],
    changes: &[Change],
    open: &[Alert],
) -> Verdict {
    let mut verdict = Verdict::default();
    for change in changes.iter().take(MOST) {
        match change {
            Change::Appeared(listing) => verdict.new.push(appeared(watched, listing)),
            Change::Changed { before, now } => {
                let mut detail = detail(watched, now);
                detail["before"] = kept::shown(watched, before);
                verdict.new.push(New { kind: "changed", own: Some(now.key.own.clone()), detail, is_over: true });
                if before.how.is_listed() != now.how.is_listed() {
                    verdict.over.extend(of_listing(open, before));
                    verdict.new.push(appeared(watched, now));
                }
            }
            Change::Disappeared(listing) => {
                verdict.over.extend(of_listing(open, listing));
                let own = Some(listing.key.own.clone());
                verdict.new.push(New { kind: "disappeared", own, detail: detail(watched, listing), is_over: true });
            }
            Change::Forgotten(key) => {
                let hash = hex(&kept::hash(key));
                verdict.over.extend(open.iter().filter(|alert| is_of(alert, &hash)).map(|alert| alert.alert_num));
            }
        }
    }
    let mut about: Vec<(&'static str, Value)> = run
        .warnings
        .iter()
        .map(|warning| (warning.word(), serde_json::to_value(warning).unwrap_or_default()))
        .filter(|(_, detail)| {
            !unreachable.iter().any(|(part, _)| detail["part"] == part.as_str() && detail["line"] == 0)
        })
        .collect();
    about.extend(unreachable.iter().map(|(part, reason)| ("unreachable", json!({ "part": part, "reason": reason }))));
    for alert in open.iter().filter(|alert| alert.own.is_none()) {
        if !about.iter().any(|(kind, _)| *kind == alert.kind) {
            verdict.over.push(alert.alert_num);
        }
    }
    for (kind, detail) in about {
        let is_told = open.iter().any(|alert| alert.own.is_none() && alert.kind == kind);
        if !is_told && !verdict.new.iter().any(|new| new.own.is_none() && new.kind == kind) {
            verdict.new.push(New { kind, own: None, detail, is_over: false });
        }
    }
    verdict
}

fn appeared(watched: &Watched, listing: &Listing) -> New {
    let kind = if listing.how.is_listed() { "appeared" } else { "near" };
    New { kind, own: Some(listing.key.own.clone()), detail: detail(watched, listing), is_over: false }
}

fn detail(watched: &Watched, listing: &Listing) -> Value {
    let mut detail = kept::shown(watched, listing);
    detail["listing"] = hex(&kept::hash(&listing.key)).into();
    detail
}

/// The open alerts about a listing.
fn of_listing<'a>(open: &'a [Alert], listing: &Listing) -> impl Iterator<Item = i64> + 'a {
    let hash = hex(&kept::hash(&listing.key));
    open.iter().filter(move |alert| is_of(alert, &hash)).map(|alert| alert.alert_num)
}

fn is_of(alert: &Alert, hash: &str) -> bool {
    alert.own.is_some()
        && serde_json::from_str::<Value>(&alert.detail).is_ok_and(|detail| detail["listing"].as_str() == Some(hash))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// An alert as JSON.
pub(super) fn shown(alert: &Alert) -> Value {
    json!({
        "alert": alert.alert_num, "blocklist": alert.name, "kind": alert.kind, "own": alert.own,
        "detail": serde_json::from_str::<Value>(&alert.detail).unwrap_or_default(),
        "created_ts": alert.created_ts, "ended_ts": alert.ended_ts,
    })
}
