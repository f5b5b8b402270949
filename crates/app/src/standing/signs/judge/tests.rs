//! The judge against made-up registers and probes, look by look.

use std::collections::BTreeMap;

use domicile_residency::{
    blocklist::{How, Key, Listing},
    interference::Kind,
};

use super::*;

fn listed(code: &str, own: &str, appeared_ts: i64) -> Listed {
    let key = Key {
        own: own.to_owned(),
        matched: own.to_owned(),
        authority: "Roskomnadzor".to_owned(),
        number: "27-31".to_owned(),
    };
    let listing: Listing = serde_json::from_value(serde_json::json!({
        "own": key.own, "matched": key.matched, "authority": key.authority, "number": key.number, "how": "name", "date": "2026-05-28",
        "included": "", "id": "", "entry_type": "", "block_type": "", "urgency": "", "reason": "", "part": "dump.csv", "line": 2, "byte": 10,
    }))
    .unwrap();
    Listed {
        register: "ru".to_owned(),
        jurisdiction: code.to_owned(),
        authority: "Roskomnadzor".to_owned(),
        listing,
        appeared_ts,
    }
}

fn seen(vantage: i64, code: &str, at_ts: i64, kind: Kind) -> Seen {
    Seen {
        vantage: (vantage, format!("v{vantage}")),
        country: (code.len() == 2).then(|| code.to_owned()),
        host: "a.example".to_owned(),
        port: 443,
        at_ts,
        kind,
        evidence: if kind == Kind::Ok { Vec::new() } else { vec![format!("evidence at {at_ts}")] },
    }
}

/// Plays what the judge says to an incident, as the service does.
struct World {
    facts: Facts,
    /// Of each incident: its sign, the states it went through, and who wrote.
    log: Vec<(String, Vec<(String, IncidentState)>)>,
}

impl Default for World {
    fn default() -> Self {
        let watched = ["RU".to_owned(), "TR".to_owned()].into();
        Self { facts: Facts { watched, ..Facts::default() }, log: Vec::new() }
    }
}

impl World {
    fn sees(&mut self, seen: Seen) {
        self.facts.seen.insert(0, seen);
    }

    /// Judges until nothing is new, which must be at once.
    fn look(&mut self, now: i64) -> usize {
        let steps = judge(&self.facts);
        for step in &steps {
            match step {
                Step::Sign(sign) => self.take(sign),
                Step::Resolve { sign, .. } => {
                    self.facts.open.retain(|open| open.sign != *sign);
                    self.facts.over.insert(sign.clone(), now);
                    self.states(sign).push(("end".to_owned(), IncidentState::Resolved));
                }
            }
        }
        assert_eq!(judge(&self.facts), [], "what was written is not written again");
        steps.len()
    }

    fn take(&mut self, sign: &Sign) {
        let who = if sign.who == REGISTERS { REGISTERS } else { PROBES };
        let first = sign.note.split("\n\n").next().unwrap().to_owned();
        if let Some(open) = self.facts.open.iter_mut().find(|open| open.sign == sign.sign) {
            open.state = sign.state;
            open.said.insert(who, first);
        } else {
            let said = BTreeMap::from([(who, first)]);
            self.facts.open.push(Open { sign: sign.sign.clone(), state: sign.state, said });
            self.log.push((sign.sign.clone(), Vec::new()));
        }
        self.states(&sign.sign).push((sign.who.clone(), sign.state));
    }

    fn states(&mut self, sign: &str) -> &mut Vec<(String, IncidentState)> {
        &mut self.log.iter_mut().rev().find(|(known, _)| known == sign).unwrap().1
    }

    fn state(&self, sign: &str) -> Option<IncidentState> {
        self.facts.open.iter().find(|open| open.sign == sign).map(|open| open.state)
    }
}

#[test]
fn a_listing_that_a_probe_confirms_and_the_next_dump_drops_is_one_incident() {
    let mut world = World::default();
    assert_eq!(world.look(0), 0);
    world.facts.listed.push(listed("RU", "a.example", 10));
    assert_eq!(world.look(10), 1);
    assert_eq!(world.state("access:RU"), Some(IncidentState::FirstSign));
    world.sees(seen(1, "RU", 20, Kind::SniReset));
    world.look(20);
    assert_eq!(world.state("access:RU"), Some(IncidentState::Confirmed), "the two are independent of each other");
    world.facts.listed.clear();
    world.look(30);
    assert_eq!(world.state("access:RU"), Some(IncidentState::Confirmed), "the censor has not heard of it yet");
    for at in [40, 50] {
        world.sees(seen(1, "RU", at, Kind::Ok));
        world.look(at);
        assert_eq!(world.state("access:RU"), Some(IncidentState::Watching));
    }
    world.sees(seen(1, "RU", 60, Kind::Ok));
    world.look(60);
    assert_eq!(world.state("access:RU"), None);
    assert_eq!(world.log.len(), 1, "{:?}", world.log);
    world.facts.listed.push(listed("RU", "a.example", 70));
    assert_eq!(world.look(70), 1, "what comes again is another incident");
    assert_eq!(world.log.len(), 2);
}

#[test]
fn a_listing_alone_ends_with_the_listing() {
    let mut world = World::default();
    world.facts.listed.push(listed("RU", "a.example", 10));
    world.facts.listed.push(listed("RU", "b.example", 10));
    world.look(10);
    world.facts.listed.pop();
    assert_eq!(world.look(20), 1, "it says something else");
    world.facts.listed.clear();
    world.look(30);
    assert_eq!(world.state("access:RU"), None);
}

#[test]
fn a_register_that_is_watched_no_more_ends_nothing() {
    let mut world = World::default();
    world.facts.listed.push(listed("RU", "a.example", 10));
    world.look(10);
    world.facts.listed.clear();
    world.facts.watched.clear();
    world.look(20);
    assert_eq!(world.state("access:RU"), Some(IncidentState::Watching), "a person decides");
    world.facts.watched.insert("RU".to_owned());
    world.look(30);
    assert_eq!(world.state("access:RU"), None);
}

#[test]
fn what_only_comes_near_opens_nothing() {
    let mut near = listed("RU", "a.example", 10);
    near.listing.how = How::NameAbove;
    let mut world = World { facts: Facts { listed: vec![near], ..Facts::default() }, ..World::default() };
    assert_eq!(world.look(10), 0);
}

#[test]
fn one_probe_is_a_first_sign_and_two_in_a_row_confirm_it() {
    let mut world = World::default();
    world.sees(seen(1, "RU", 10, Kind::AddressBlocked));
    world.look(10);
    assert_eq!(world.state("access:RU"), Some(IncidentState::FirstSign));
    world.sees(seen(1, "RU", 20, Kind::Inconclusive));
    world.sees(seen(1, "RU", 21, Kind::NetworkDown));
    assert_eq!(world.look(21), 0, "these say nothing");
    world.sees(seen(1, "RU", 30, Kind::AddressBlocked));
    world.look(30);
    assert_eq!(world.state("access:RU"), Some(IncidentState::Confirmed));
}

#[test]
fn two_places_that_see_it_confirm_it_and_both_must_be_well() {
    let mut world = World::default();
    world.sees(seen(1, "RU", 10, Kind::Throttled));
    world.sees(seen(2, "RU", 11, Kind::Throttled));
    let steps = judge(&world.facts);
    let Some(Step::Sign(sign)) = steps.first() else { panic!("{steps:?}") };
    assert_eq!((sign.kind, sign.state), (IncidentKind::Throttled, IncidentState::Confirmed));
    assert!(sign.note.contains("\n\nevidence at 10\nevidence at 11"), "{}", sign.note);
    world.look(11);
    for at in 20..26 {
        world.sees(seen(1, "RU", at, Kind::Ok));
        world.look(at);
    }
    assert_eq!(world.state("access:RU"), Some(IncidentState::Confirmed), "the other place still sees it");
    for at in 30..33 {
        world.sees(seen(2, "RU", at, Kind::Ok));
        world.look(at);
    }
    assert_eq!(world.state("access:RU"), None);
}

#[test]
fn one_that_is_watched_and_comes_again_is_confirmed_again() {
    let mut world = World::default();
    for (at, kind) in [(10, Kind::SniReset), (20, Kind::Ok), (30, Kind::Ok), (40, Kind::SniReset)] {
        world.sees(seen(1, "TR", at, kind));
        world.look(at);
    }
    assert_eq!(world.state("access:TR"), Some(IncidentState::Confirmed));
}

#[test]
fn silence_is_not_the_end() {
    let mut world = World::default();
    world.sees(seen(1, "RU", 10, Kind::SniReset));
    world.look(10);
    world.facts.seen.clear();
    world.look(20);
    assert_eq!(world.state("access:RU"), Some(IncidentState::Watching), "a person decides");
    assert_eq!(world.facts.open[0].said[PROBES], "Nobody looks from there any more.");
    world.sees(seen(2, "RU", 30, Kind::Ok));
    assert_eq!(world.look(30), 0, "somebody else's sight does not speak for them");
}

#[test]
fn what_was_known_when_somebody_called_it_over_opens_nothing() {
    let mut world = World::default();
    world.facts.listed.push(listed("RU", "a.example", 10));
    world.sees(seen(1, "RU", 11, Kind::SniReset));
    world.look(11);
    world.facts.open.clear();
    world.facts.over.insert("access:RU".to_owned(), 15);
    assert_eq!(world.look(16), 0);
    world.sees(seen(1, "RU", 20, Kind::SniReset));
    assert!(world.look(20) > 0);
}

#[test]
fn countries_do_not_mix() {
    let mut world = World::default();
    world.facts.listed.push(listed("RU", "a.example", 10));
    world.sees(seen(1, "TR", 10, Kind::SniReset));
    world.sees(seen(2, "", 10, Kind::DnsTampering));
    world.look(10);
    let signs: Vec<&str> = world.log.iter().map(|(sign, _)| sign.as_str()).collect();
    assert_eq!(signs, ["access:unknown", "access:RU", "access:TR"]);
    assert!(world.facts.open.iter().all(|open| open.state == IncidentState::FirstSign));
}

#[test]
fn an_address_that_is_down_for_everybody_is_an_outage_of_nobodys_jurisdiction() {
    let mut world = World::default();
    world.sees(seen(0, "DE", 10, Kind::Down));
    assert_eq!(world.look(10), 0, "it may be restarting");
    world.sees(seen(0, "DE", 20, Kind::Down));
    world.look(20);
    assert_eq!(world.state("outage:a.example:443"), Some(IncidentState::Confirmed));
    for at in [30, 40, 50] {
        world.sees(seen(0, "DE", at, Kind::Ok));
        world.look(at);
    }
    assert_eq!(world.state("outage:a.example:443"), None);
}

#[test]
fn what_others_write_is_one_line_of_bounded_length() {
    let mut odd = listed("RU", "a.example", 10);
    odd.authority = format!("x\n\u{1b}[2J{}", "y".repeat(100_000));
    let mut world = World::default();
    world.facts.listed = vec![odd; 100];
    for (number, listed) in world.facts.listed.iter_mut().enumerate() {
        listed.listing.key.own = format!("a{number}.example");
    }
    world.look(10);
    let said = &world.facts.open[0].said[REGISTERS];
    assert!(said.len() < 8_000 && !said.contains('\u{1b}') && said.ends_with("And 80 listings more."), "{said}");
}
