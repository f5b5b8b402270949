//! What follows from a measurement: one word, and the sentences on which it rests.
//!
//! A pure function. It says that somebody interferes only where the same thing was seen again and again while what nobody has a reason to block
//! worked, so that a network that only loses packets accuses nobody. Where one place cannot know (a blocked address looks like a dead server), it says
//! `inconclusive`, and what would tell.

mod company;
mod names;
mod pages;
mod scene;
mod speed;
mod ways;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::{
    measurement::{Control, Measurement},
    outside::Outside,
};
pub use company::Company;
use scene::{Network, Scene};

/// What it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It works.
    Ok,
    /// The name system gives a false answer.
    DnsTampering,
    /// Its address cannot be reached from here, though it works elsewhere.
    AddressBlocked,
    /// The connection is torn down when the target's name is said in it.
    SniReset,
    /// The connection falls silent when the target's name is said in it.
    SniDropped,
    /// Somebody else answers with a certificate of their own.
    TlsMitm,
    /// Somebody else's page stands in for it.
    BlockPage,
    /// It is much slower than it was, while other things are not.
    Throttled,
    /// It does not work for anybody.
    Down,
    /// Nothing works here.
    NetworkDown,
    /// It cannot be said.
    #[default]
    Inconclusive,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Ok,
        Self::DnsTampering,
        Self::AddressBlocked,
        Self::SniReset,
        Self::SniDropped,
        Self::TlsMitm,
        Self::BlockPage,
        Self::Throttled,
        Self::Down,
        Self::NetworkDown,
        Self::Inconclusive,
    ];

    /// Its name in reports, tables and the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::DnsTampering => "dns_tampering",
            Self::AddressBlocked => "address_blocked",
            Self::SniReset => "sni_reset",
            Self::SniDropped => "sni_dropped",
            Self::TlsMitm => "tls_mitm",
            Self::BlockPage => "block_page",
            Self::Throttled => "throttled",
            Self::Down => "down",
            Self::NetworkDown => "network_down",
            Self::Inconclusive => "inconclusive",
        }
    }

    /// The kind of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether it says that somebody interferes.
    pub fn is_interference(self) -> bool {
        !matches!(self, Self::Ok | Self::Down | Self::NetworkDown | Self::Inconclusive)
    }
}

/// A verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// What it is.
    pub kind: Kind,
    /// On what it rests. What others said in it stands between quotation marks, bounded and on one line.
    pub evidence: Vec<String>,
}

impl Verdict {
    fn new(kind: Kind, evidence: Vec<String>) -> Self {
        Self { kind, evidence }
    }
}

/// An earlier run's speeds at the same target from the same place, in bytes a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// When, in milliseconds since the epoch.
    pub at_ms: i64,
    /// From the target.
    pub rate: u64,
    /// From the control.
    pub control_rate: u64,
}

impl Past {
    /// What a measurement gives to those after it. None if either was not measured.
    pub fn of(at_ms: i64, measurement: &Measurement, control: &Control) -> Option<Self> {
        let fastest =
            |downloads: &[super::measurement::Download]| downloads.iter().filter_map(super::Download::rate).max();
        Some(Self { at_ms, rate: fastest(&measurement.downloads)?, control_rate: fastest(&control.downloads)? })
    }
}

/// Judges what was seen of one target. `outside` is what another place saw of it lately; `past` are earlier speeds, in any order.
pub fn judge(measurement: &Measurement, control: &Control, outside: Option<&Outside>, past: &[Past]) -> Verdict {
    judge_among(measurement, control, outside, past, &Company::default())
}

/// The same in a run that looked at other targets, too.
pub fn judge_among(
    measurement: &Measurement,
    control: &Control,
    outside: Option<&Outside>,
    past: &[Past],
    company: &Company,
) -> Verdict {
    let scene = Scene { measurement, control, outside, company };
    let mut verdict = decide(&scene, past);
    verdict.evidence.extend(scene.notes());
    if verdict.kind == Kind::Ok && measurement.unfinished && !speed::is_known(&scene) {
        verdict
            .evidence
            .push("whether it is held back was not seen: too little was fetched to tell its speed".to_owned());
    }
    if verdict.evidence.is_empty() {
        verdict.evidence.push("nothing was measured".to_owned());
    }
    verdict
}

fn decide(scene: &Scene<'_>, past: &[Past]) -> Verdict {
    let works = match scene.network() {
        Network::Works(_) => true,
        Network::Fails(evidence) if !scene.anything_came() => return Verdict::new(Kind::NetworkDown, vec![evidence]),
        Network::Fails(_) | Network::Unclear => false,
    };
    // What is asked over an encrypted connection with a good certificate cannot be forged, so it needs no control.
    let ways = ways::judge(scene);
    let mut verdict = if let Some(evidence) = names::tampering(scene) {
        Verdict::new(Kind::DnsTampering, evidence)
    } else if ways.kind.is_interference() {
        Verdict::new(ways.kind, ways.evidence)
    } else if let Some(evidence) = pages::blocked(scene) {
        Verdict::new(Kind::BlockPage, evidence)
    } else if ways.kind == Kind::Ok {
        match speed::throttled(scene, past) {
            speed::Speed::Throttled(evidence) => Verdict::new(Kind::Throttled, evidence),
            speed::Speed::Slow(evidence) => Verdict::new(Kind::Inconclusive, evidence),
            speed::Speed::Fine => pages::served(scene, ways.evidence),
        }
    } else {
        Verdict::new(ways.kind, ways.evidence)
    };
    if let Network::Works(evidence) = scene.network()
        && verdict.kind.is_interference()
    {
        verdict.evidence.push(evidence);
    }
    if !works && verdict.kind.is_interference() {
        let mut evidence = vec![format!(
            "it looks like {}, but what nobody has a reason to block could not be reached either, so nothing follows from it",
            verdict.kind.name()
        )];
        evidence.append(&mut verdict.evidence);
        return Verdict::new(Kind::Inconclusive, evidence);
    }
    verdict
}
