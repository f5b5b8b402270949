//! What of incidents and registers the operator is alerted of. Pure.

use crate::{
    blocklists::{Listed, Trouble},
    standing::{alerts::NewAlert, incidents::Incident},
};

/// Kinds of alerts that are made here: an incident that began by itself, a listing that only comes near, trouble with a register
/// or with the file of alternative addresses.
pub(crate) const KINDS: [&str; 7] = ["listed", "unreachable", "throttled", "outage", "near", "register", "addresses"];
/// Letters of an alert's sentence.
const LETTERS: usize = 600;

pub(super) fn alerts(open: &[Incident], listed: &[Listed], troubles: &[Trouble]) -> Vec<NewAlert> {
    let mut alerts: Vec<NewAlert> = open.iter().filter_map(of_incident).collect();
    for near in listed.iter().filter(|listed| !listed.listing.how.is_listed()) {
        let (own, how) = (&near.listing.key.own, near.listing.how.explained());
        alerts.push(NewAlert {
            subject: format!("near:{}/{own}/{}", near.register, near.listing.key.matched),
            kind: "near",
            code: code(&near.jurisdiction),
            what: cut(&format!("{own} {how} in the register {}: {}.", near.register, near.listing.key.matched)),
        });
    }
    for trouble in troubles {
        let (register, kind) = (&trouble.register, &trouble.kind);
        let why = if trouble.why.is_empty() { String::new() } else { format!(" ({})", trouble.why) };
        let what = if kind == "broad" {
            format!(
                "The register {register} has an entry so wide that it is about nobody{why}: nothing of ours counts as listed by it. \
                 See `domicile blocklist alerts`."
            )
        } else {
            format!(
                "The register {register} is {kind}{why}: what it says of us may be out of date. See `domicile blocklist status`."
            )
        };
        alerts.push(NewAlert {
            subject: format!("register:{register}/{kind}"),
            kind: "register",
            code: code(&trouble.jurisdiction),
            what: cut(&what),
        });
    }
    alerts.sort();
    // One alert a subject: two listings may differ in their numbers only.
    alerts.dedup_by(|one, other| one.subject == other.subject);
    alerts
}

/// An incident, with the first paragraphs of what was noticed last.
fn of_incident(incident: &Incident) -> Option<NewAlert> {
    let kind = KINDS.into_iter().find(|kind| *kind == incident.kind)?;
    let mut said: Vec<String> = Vec::new();
    for who in [super::REGISTERS, super::PROBES] {
        let last = incident.updates.iter().rev().find(|update| update.who == who);
        let note = last.and_then(|update| update.note.as_deref()).and_then(|note| note.split("\n\n").next());
        said.extend(note.map(|note| note.replace('\n', " ")));
    }
    let (state, number) = (incident.state.replace('_', " "), incident.incident);
    Some(NewAlert {
        subject: incident.sign.clone(),
        kind,
        code: incident.code.clone(),
        what: cut(&format!("Incident {number} ({state}): {} See `domicile incident show {number}`.", said.join(" "))),
    })
}

fn code(jurisdiction: &str) -> Option<String> {
    (!jurisdiction.is_empty()).then(|| jurisdiction.to_owned())
}

fn cut(text: &str) -> String {
    let clean = text.chars().filter(|letter| !letter.is_control());
    if text.chars().count() <= LETTERS { clean.collect() } else { clean.take(LETTERS).chain(['…']).collect() }
}
