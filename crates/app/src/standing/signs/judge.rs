//! What follows from registers and probes for incidents. Pure.
//!
//! Each jurisdiction has one incident about access to the service from there, whatever gave the first sign of it: a listing, or a probe that saw
//! somebody interfere. Another one for each address that is down for everybody. What is written to an incident is written once: it follows
//! from what stands in it already whether something is new.

mod tracks;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use domicile_core::plural::counted;
use domicile_residency::interference::Kind;

pub(super) use tracks::Seen;
use tracks::{Track, tracks};

use crate::{
    blocklists::Listed,
    standing::incidents::{IncidentKind, IncidentState, Sign},
};

/// Probes in a row that see somebody interfere from one place, and confirm it. The first one is a first sign only: packets are lost everywhere.
pub(super) const CONFIRMED_AFTER: usize = 2;
/// Probes in a row that see nothing in the way, and end it.
pub(super) const WELL_AFTER: usize = 3;
/// Who writes what registers say, and what probes do.
pub(super) const REGISTERS: &str = "registers";
pub(super) const PROBES: &str = "probes";
/// Listings and addresses that are named in a note.
const NAMED: usize = 20;
/// Letters of a line.
const LINE: usize = 180;

/// An incident about a sign that is not over.
#[derive(Clone, Debug)]
pub(super) struct Open {
    /// The sign.
    pub(super) sign: String,
    /// Where it stands.
    pub(super) state: IncidentState,
    /// The first paragraphs of what registers and probes wrote last.
    pub(super) said: BTreeMap<&'static str, String>,
}

/// All that is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// What stands in registers.
    pub(super) listed: Vec<Listed>,
    /// Jurisdictions of which a register is watched.
    pub(super) watched: BTreeSet<String>,
    /// What probes saw, the newest first.
    pub(super) seen: Vec<Seen>,
    /// Incidents that are not over.
    pub(super) open: Vec<Open>,
    /// When the last incident about a sign was over: what was known then opens no new one.
    pub(super) over: BTreeMap<String, i64>,
}

/// Something to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A sign.
    Sign(Sign),
    /// The end.
    Resolve {
        /// Of the incident about this.
        sign: String,
        /// Why.
        note: String,
    },
}

/// The sign of access from a jurisdiction; without a code, from places that nobody named.
fn access(code: Option<&str>) -> String {
    format!("access:{}", code.unwrap_or("unknown"))
}

/// What is to be written now.
pub(super) fn judge(facts: &Facts) -> Vec<Step> {
    let mut steps = Vec::new();
    let code = |text: &str| (text.len() == 2).then(|| text.to_owned());
    let mut codes: BTreeSet<Option<String>> = facts.listed.iter().map(|listed| code(&listed.jurisdiction)).collect();
    codes.extend(facts.seen.iter().map(|seen| seen.country.clone()));
    // One about which nobody says anything any more.
    codes.extend(facts.open.iter().filter_map(|open| open.sign.strip_prefix("access:").map(code)));
    for code in codes {
        of_access(facts, code.as_deref(), &mut steps);
    }
    let places: BTreeSet<(String, i64)> = facts.seen.iter().map(|seen| (seen.host.clone(), seen.port)).collect();
    for (host, port) in places {
        of_outage(facts, (&host, port), &mut steps);
    }
    steps
}

fn of_access(facts: &Facts, code: Option<&str>, steps: &mut Vec<Step>) {
    let sign = access(code);
    let open = facts.open.iter().find(|open| open.sign == sign);
    let since = facts.over.get(&sign).copied().unwrap_or(i64::MIN);
    let listed: Vec<&Listed> = facts
        .listed
        .iter()
        .filter(|listed| listed.jurisdiction == code.unwrap_or_default() && listed.listing.how.is_listed())
        .collect();
    let is_new = listed.iter().any(|listed| listed.appeared_ts > since);
    let of_code = facts.seen.iter().filter(|seen| seen.country.as_deref() == code);
    let tracks = tracks(of_code, since, Kind::is_interference);
    let bad: Vec<&Track> = tracks.iter().filter(|track| track.is_bad()).collect();
    if open.is_none() && !is_new && bad.is_empty() {
        return;
    }

    let registers = paragraph(open, REGISTERS, of_registers(&listed));
    let probes = paragraph(open, PROBES, of_probes(&tracks));
    let is_confirmed = bad.iter().any(|track| track.bad_run >= CONFIRMED_AFTER)
        || bad.len() > 1
        || (!bad.is_empty() && !listed.is_empty());
    let current = open.map(|open| open.state);
    let is_watched = facts.watched.contains(code.unwrap_or_default());
    let state = if !bad.is_empty() && (is_confirmed || current == Some(IncidentState::Watching)) {
        IncidentState::Confirmed
    } else if !bad.is_empty() || !listed.is_empty() {
        // What somebody confirmed, or watches, is not less for it.
        current.unwrap_or(IncidentState::FirstSign)
    } else if is_well(&tracks, open) && (is_watched || !said_before(open, REGISTERS)) {
        steps.push(Step::Resolve { sign, note: format!("{registers}\n{probes}").trim().to_owned() });
        return;
    } else {
        IncidentState::Watching
    };
    let kind = if bad.is_empty() {
        IncidentKind::Listed
    } else if bad.iter().all(|track| track.kind == Kind::Throttled) {
        IncidentKind::Throttled
    } else {
        IncidentKind::Unreachable
    };
    let said = [(REGISTERS, registers, String::new()), (PROBES, probes, evidence(&bad))];
    write(open, &new(sign, code, kind, state), &said, steps);
}

fn of_outage(facts: &Facts, (host, port): (&str, i64), steps: &mut Vec<Step>) {
    let sign = format!("outage:{host}:{port}");
    let open = facts.open.iter().find(|open| open.sign == sign);
    let since = facts.over.get(&sign).copied().unwrap_or(i64::MIN);
    let of_place = facts.seen.iter().filter(|seen| seen.host == host && seen.port == port);
    let tracks = tracks(of_place, since, |kind| kind == Kind::Down);
    let bad: Vec<&Track> = tracks.iter().filter(|track| track.is_bad()).collect();
    // That it is down for everybody rests on a look from elsewhere already; one more look tells a restart from an outage.
    let is_down = bad.iter().any(|track| track.bad_run >= CONFIRMED_AFTER) || bad.len() > 1;
    if open.is_none() && !is_down {
        return;
    }
    let probes = paragraph(open, PROBES, of_probes(&tracks));
    let state = if !bad.is_empty() {
        IncidentState::Confirmed
    } else if is_well(&tracks, open) {
        steps.push(Step::Resolve { sign, note: probes });
        return;
    } else {
        IncidentState::Watching
    };
    let said = [(PROBES, probes, evidence(&bad))];
    write(open, &new(sign, None, IncidentKind::Outage, state), &said, steps);
}

/// Whether everything that probes saw is well again. Silence is not: where nobody looks any more, a person decides.
fn is_well(tracks: &[Track], open: Option<&Open>) -> bool {
    let mut was_bad = tracks.iter().filter(|track| track.was_bad).peekable();
    (was_bad.peek().is_some() || !said_before(open, PROBES)) && was_bad.all(|track| track.well_run >= WELL_AFTER)
}

/// Whether somebody wrote something to an incident.
fn said_before(open: Option<&Open>, who: &str) -> bool {
    open.is_some_and(|open| open.said.contains_key(who))
}

fn new(sign: String, code: Option<&str>, kind: IncidentKind, state: IncidentState) -> Sign {
    Sign { sign, code: code.map(str::to_owned), kind, state, who: String::new(), note: String::new() }
}

fn evidence(bad: &[&Track]) -> String {
    let all = bad.iter().flat_map(|track| track.evidence.iter().map(String::as_str));
    all.take(NAMED).map(bounded).collect::<Vec<_>>().join("\n")
}

/// What somebody says now. Where there is nothing to say, that is worth a word only after there was something.
fn paragraph(open: Option<&Open>, who: &str, says: String) -> String {
    if !says.is_empty() || !said_before(open, who) {
        return says;
    }
    let nothing = if who == REGISTERS {
        "No register that is watched lists it any more."
    } else {
        "Nobody looks from there any more."
    };
    nothing.to_owned()
}

/// One update for whoever says something else than they said last, or the state alone if that is what is new.
fn write(open: Option<&Open>, sign: &Sign, said: &[(&'static str, String, String)], steps: &mut Vec<Step>) {
    let before = |who: &str| open.and_then(|open| open.said.get(who)).map(String::as_str).unwrap_or_default();
    let spoken = || said.iter().filter(|(_, says, _)| !says.is_empty());
    let mut new: Vec<_> = spoken().filter(|(who, says, _)| before(who) != says).collect();
    if new.is_empty() && open.is_none_or(|open| open.state != sign.state) {
        new.extend(spoken().next_back());
    }
    for (who, says, evidence) in new {
        let note = if evidence.is_empty() { says.clone() } else { format!("{says}\n\n{evidence}") };
        steps.push(Step::Sign(Sign { who: (*who).to_owned(), note, ..sign.clone() }));
    }
}

/// The paragraph about registers. It is the same as long as they say the same.
fn of_registers(listed: &[&Listed]) -> String {
    let mut lines: Vec<String> = listed.iter().map(|listed| bounded(line(listed))).collect();
    lines.sort();
    lines.dedup();
    let more = lines.len().saturating_sub(NAMED);
    lines.truncate(NAMED);
    if more > 0 {
        lines.push(format!("And {} more.", counted(more as u64, "listing", "listings")));
    }
    lines.join("\n")
}

fn line(listed: &Listed) -> String {
    let listing = &listed.listing;
    let authority = if listed.authority.is_empty() { "nobody named" } else { &listed.authority };
    let mut decision = String::new();
    if !listing.key.number.is_empty() {
        decision = format!(", decision {}", listing.key.number);
    }
    if !listing.date.is_empty() {
        decision = format!("{decision} of {}", listing.date);
    }
    format!(
        "{} {} in the register {} ({authority}{decision}).",
        listing.key.own,
        listing.how.explained(),
        listed.register
    )
}

/// The paragraph about probes. Neither times nor counts stand in it: it is the same as long as they see the same.
fn of_probes(tracks: &[Track]) -> String {
    let line = |track: &Track| {
        let state = match track.well_run {
            0 => track.kind.name().to_owned(),
            run if run < WELL_AFTER => "nothing in the way lately".to_owned(),
            _ => format!("nothing in the way, {WELL_AFTER} times in a row"),
        };
        bounded(format!("{}:{}, seen from {}: {state}.", track.host, track.port, track.vantage))
    };
    let mut lines: Vec<String> = tracks.iter().filter(|track| track.was_bad).map(line).collect();
    lines.sort();
    lines.truncate(NAMED);
    lines.join("\n")
}

/// Others' words as one line of bounded length, as it is kept.
fn bounded(line: impl AsRef<str>) -> String {
    line.as_ref().chars().filter(|letter| !letter.is_control()).take(LINE).collect()
}
