//! What one place saw of one address, in the order of time.

use std::collections::BTreeMap;

use domicile_residency::interference::Kind;

/// What a probe saw of an address.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Who looked: the number of a vantage, and what it is called.
    pub(crate) vantage: (i64, String),
    /// From which country, if that was told.
    pub(crate) country: Option<String>,
    /// The address.
    pub(crate) host: String,
    /// Its port.
    pub(crate) port: i64,
    /// When, in milliseconds since the epoch.
    pub(crate) at_ts: i64,
    /// What it is.
    pub(crate) kind: Kind,
    /// On what it rests.
    pub(crate) evidence: Vec<String>,
}

/// What one place saw of one address.
#[derive(Clone, Debug)]
pub(super) struct Track {
    pub(super) vantage: String,
    pub(super) host: String,
    pub(super) port: i64,
    /// The last bad sight.
    pub(super) kind: Kind,
    pub(super) evidence: Vec<String>,
    /// The newest sights in a row that are bad, and those that are well: one of them is 0.
    pub(super) bad_run: usize,
    pub(super) well_run: usize,
    /// Whether any of them was bad.
    pub(super) was_bad: bool,
    /// Whether the newest row has ended: what is older does not count to it.
    row_is_over: bool,
}

impl Track {
    pub(super) fn is_bad(&self) -> bool {
        self.bad_run > 0
    }
}

/// Puts together what was seen after a time, the newest first. Sights that are neither well nor bad say nothing.
pub(super) fn tracks<'s>(
    seen: impl Iterator<Item = &'s Seen>,
    since: i64,
    is_bad: impl Fn(Kind) -> bool,
) -> Vec<Track> {
    let mut by_place: BTreeMap<(i64, &str, i64), Track> = BTreeMap::new();
    for seen in seen.filter(|seen| seen.at_ts > since) {
        let bad = is_bad(seen.kind);
        if !bad && seen.kind != Kind::Ok {
            continue;
        }
        let key = (seen.vantage.0, seen.host.as_str(), seen.port);
        let track = by_place.entry(key).or_insert_with(|| Track {
            vantage: seen.vantage.1.clone(),
            host: seen.host.clone(),
            port: seen.port,
            kind: Kind::Ok,
            evidence: Vec::new(),
            bad_run: 0,
            well_run: 0,
            was_bad: false,
            row_is_over: false,
        });
        match (bad, track.row_is_over) {
            (true, false) if track.well_run == 0 => track.bad_run += 1,
            (false, false) if track.bad_run == 0 => track.well_run += 1,
            _ => track.row_is_over = true,
        }
        if bad && !track.was_bad {
            (track.kind, track.evidence, track.was_bad) = (seen.kind, seen.evidence.clone(), true);
        }
    }
    by_place.into_values().collect()
}
