//! Duties × facts → answers. Pure: the same facts give the same answers.

use std::collections::BTreeSet;

use domicile_core::plural::counted;
use serde::Serialize;

use super::{
    Catalogue,
    duty::{Duty, Jurisdiction, Trigger},
    facts::Facts,
    words::{Audience, Check, Counted, Role, Service, Status},
};

/// Whether a duty applies to this deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Triggered {
    /// It does.
    Yes,
    /// It does not, because of this.
    No(Untriggered),
    /// It may: so many accounts have no jurisdiction noted, and with them the threshold would be reached; or the law counts what is not counted
    /// here.
    Unclear {
        /// Why nobody can tell.
        why: String,
    },
}

/// Why a duty does not apply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "because", rename_all = "snake_case")]
pub enum Untriggered {
    /// Too few users.
    BelowThreshold {
        /// The law's number.
        threshold: u64,
        /// How the law counts.
        counted: Counted,
        /// Ours: accounts, of which those who use the service on a day are a part.
        ours: u64,
        /// Accounts whose jurisdiction is not known. They were counted as if they all belonged here, where the threshold is above 1.
        unknown: u64,
        /// By how far we are below: threshold less both.
        short_by: u64,
    },
    /// Nobody is known to be under this law.
    NoUsers {
        /// Accounts whose jurisdiction is not known.
        unknown: u64,
    },
    /// It is for other kinds of service.
    OtherService {
        /// For these.
        services: BTreeSet<Service>,
    },
    /// It is not for a service that is for these people.
    Exempt {
        /// These.
        audience: Audience,
    },
    /// No authority has asked for it.
    NobodyAsked,
    /// It is for those who have no establishment there.
    Established,
    /// It is for operators of critical infrastructure.
    NotCritical,
}

/// What the standing is with regard to a duty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// It does not apply.
    NotTriggered(Untriggered),
    /// It is met, as a check tells.
    MetBy {
        /// The check.
        check: Check,
        /// What it found.
        evidence: String,
    },
    /// The operator has to do or to decide something.
    NeedsOperator {
        /// What.
        what: String,
    },
    /// The operator chose not to meet it.
    ChosenNotTo {
        /// Who decided.
        who: String,
        /// When, in milliseconds since the epoch.
        when_ts: i64,
        /// Why.
        why: String,
    },
    /// It cannot be met together with another duty that applies.
    ConflictsWith {
        /// The other duty.
        with: String,
        /// Why not.
        how: String,
    },
    /// Domicile declines it, always.
    DeclinedByDesign {
        /// The words that an authority can be sent, in English.
        words: String,
    },
}

/// A duty with its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row<'c> {
    /// The jurisdiction.
    #[serde(skip)]
    pub jurisdiction: &'c Jurisdiction,
    /// The duty.
    pub duty: &'c Duty,
    /// Whether it applies. What is declined by design is declined whether or not.
    pub triggered: Triggered,
    /// The answer.
    pub answer: Answer,
}

impl Answer {
    /// Its name.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NotTriggered(_) => "not_triggered",
            Self::MetBy { .. } => "met_by",
            Self::NeedsOperator { .. } => "needs_operator",
            Self::ChosenNotTo { .. } => "chosen_not_to",
            Self::ConflictsWith { .. } => "conflicts_with",
            Self::DeclinedByDesign { .. } => "declined_by_design",
        }
    }
}

/// The answers of a catalogue, jurisdiction by jurisdiction.
pub fn evaluate<'c>(catalogue: &'c Catalogue, facts: &Facts) -> Vec<Row<'c>> {
    let all = catalogue.all().flat_map(|jurisdiction| jurisdiction.duties.iter().map(move |duty| (jurisdiction, duty)));
    all.map(|(jurisdiction, duty)| {
        let triggered = triggered(jurisdiction, duty, facts);
        let answer = answer(catalogue, jurisdiction, duty, &triggered, facts);
        Row { jurisdiction, duty, triggered, answer }
    })
    .collect()
}

fn answer(catalogue: &Catalogue, at: &Jurisdiction, duty: &Duty, triggered: &Triggered, facts: &Facts) -> Answer {
    if let Some(declined) = &duty.declined_by_design {
        return Answer::DeclinedByDesign { words: declined.words_in("en").to_owned() };
    }
    if let Triggered::No(because) = triggered {
        return Answer::NotTriggered(because.clone());
    }
    let name = name(at, duty);
    if let Some(decision) = facts.decisions.get(&name) {
        let (who, why) = (decision.who.clone(), decision.why.clone());
        return Answer::ChosenNotTo { who, when_ts: decision.when_ts, why };
    }
    let missing = match duty.met_by.map(|check| (check, self::check(check, at, duty, facts))) {
        Some((check, Ok(evidence))) => return Answer::MetBy { check, evidence },
        Some((_, Err(missing))) => Some(missing),
        None => None,
    };
    if let Triggered::Unclear { why } = triggered {
        let what = missing.map_or_else(|| why.clone(), |missing| format!("{why}. If it applies: {missing}"));
        return Answer::NeedsOperator { what };
    }
    let conflict = duty.conflicts.iter().find(|conflict| {
        let other = catalogue.duty(&conflict.with);
        other.is_some_and(|(at, other)| self::triggered(at, other, facts) == Triggered::Yes)
    });
    if let Some(conflict) = conflict {
        return Answer::ConflictsWith { with: conflict.with.clone(), how: conflict.how.clone() };
    }
    let what = missing.unwrap_or_else(|| {
        format!("Domicile cannot tell whether this is met: read {name}, do it or decide not to (`domicile standing decide {name}`)")
    });
    Answer::NeedsOperator { what }
}

/// The whole name of a duty, such as `RU/ori-registration`.
pub fn name(jurisdiction: &Jurisdiction, duty: &Duty) -> String {
    format!("{}/{}", jurisdiction.code, duty.id)
}

fn triggered(at: &Jurisdiction, duty: &Duty, facts: &Facts) -> Triggered {
    let Trigger { services, exempt, users_at_least, counted, on_request, foreign_only, critical_only } = &duty.trigger;
    if !services.is_empty() && services.is_disjoint(&facts.services) {
        return Triggered::No(Untriggered::OtherService { services: services.clone() });
    }
    let enough = enough_users(at, *users_at_least, *counted, facts);
    if let Triggered::No(_) = enough {
        return enough;
    }
    if exempt.contains(&facts.audience) {
        return Triggered::No(Untriggered::Exempt { audience: facts.audience });
    }
    if *foreign_only && Facts::any_in(&facts.established_in, at) {
        return Triggered::No(Untriggered::Established);
    }
    if *critical_only && !Facts::any_in(&facts.critical_in, at) {
        return Triggered::No(Untriggered::NotCritical);
    }
    if *on_request && !facts.requested.contains_key(&name(at, duty)) {
        return Triggered::No(Untriggered::NobodyAsked);
    }
    enough
}

/// Whether there are enough users. Who uses the service on a day or in a month is not counted here, but nobody does who has no account.
fn enough_users(at: &Jurisdiction, threshold: u64, counted: Counted, facts: &Facts) -> Triggered {
    let (ours, unknown) = (facts.users_of(at), facts.users_unknown);
    if threshold == 0 {
        return Triggered::Yes;
    }
    if threshold == 1 {
        // One person who has not said where they live is no ground for a duty; nor is it one for silence, so the number is told.
        return if ours > 0 { Triggered::Yes } else { Triggered::No(Untriggered::NoUsers { unknown }) };
    }
    if ours + unknown < threshold {
        let short_by = threshold - ours - unknown;
        return Triggered::No(Untriggered::BelowThreshold { threshold, counted, ours, unknown, short_by });
    }
    if ours < threshold {
        let why = format!(
            "{} noted as {}'s and {unknown} as nobody's, and the threshold is {threshold}: ask people, or note it with \
             `domicile user jurisdiction`",
            counted_as(ours),
            at.code
        );
        return Triggered::Unclear { why };
    }
    if counted != Counted::Registered {
        let why = format!(
            "{} {}'s; the law counts {} users from {threshold} on, which this service does not count: estimate it, and decide",
            counted_as(ours),
            at.code,
            counted.word()
        );
        return Triggered::Unclear { why };
    }
    Triggered::Yes
}

/// So many accounts as the subject of a sentence.
fn counted_as(accounts: u64) -> String {
    format!("{} {}", counted(accounts, "account", "accounts"), if accounts == 1 { "is" } else { "are" })
}

/// What a check found, or what is missing.
fn check(check: Check, at: &Jurisdiction, duty: &Duty, facts: &Facts) -> Result<String, String> {
    let dossier = facts.dossiers.get(&at.code);
    match check {
        Check::ContactsPublished if facts.public_contacts > 0 => {
            Ok(format!("{} public contacts", facts.public_contacts))
        }
        Check::ContactsPublished => {
            Err("nobody is named to the public: set server.support_contacts, or a public contact of a dossier"
                .to_owned())
        }
        Check::StoredInCountry if Facts::any_in(&facts.stored_in, at) => Ok(format!(
            "standing.stored_in names {}, by the operator's word",
            words(facts.stored_in.iter().map(String::as_str))
        )),
        Check::StoredInCountry if facts.stored_in.is_empty() => {
            Err("where the disks stand is not said: set standing.stored_in".to_owned())
        }
        Check::StoredInCountry => {
            Err(format!("the disks stand in {}, not in {}", words(facts.stored_in.iter().map(String::as_str)), at.name))
        }
        Check::Registered => registered(dossier.map(|dossier| (dossier.status, dossier.expires_ts)), at, facts.now_ms)
            .map(|()| {
                dossier
                    .and_then(|dossier| dossier.number.clone())
                    .map_or("registered".to_owned(), |number| format!("registered as {number}"))
            }),
        Check::ContactsNamed => {
            let named = dossier.map(|dossier| &dossier.roles);
            let missing: Vec<&str> = duty
                .contacts
                .iter()
                .filter(|role| named.is_none_or(|named| !named.contains(role)))
                .map(|role: &Role| role.word())
                .collect();
            if missing.is_empty() {
                return Ok(format!("the dossier names {}", words(duty.contacts.iter().map(|role| role.word()))));
            }
            Err(format!("the dossier of {} names nobody as {}", at.code, words(missing.into_iter())))
        }
        Check::ProcessingRecorded => Ok("`domicile ropa` writes it from the catalogue".to_owned()),
        Check::DemandsCounted => Ok("the status page shows the counts".to_owned()),
        Check::DemandsInTime => match facts.demands.get(&at.code).copied().unwrap_or_default() {
            demands if demands.late > 0 => {
                Err(format!("{} demands are past their time: `domicile demand list`", demands.late))
            }
            demands => Ok(format!("{} demands wait, none is late", demands.open)),
        },
    }
}

fn registered(dossier: Option<(Status, Option<i64>)>, at: &Jurisdiction, now_ms: i64) -> Result<(), String> {
    let code = &at.code;
    match dossier {
        Some((Status::Registered, Some(expires_ts))) if expires_ts <= now_ms => {
            Err(format!("the registration has expired: renew it, then `domicile dossier set {code}`"))
        }
        Some((Status::Registered, _)) => Ok(()),
        Some((status, _)) => Err(format!("the dossier is `{}`: {}", status.word(), status.about())),
        None => Err(format!("there is no dossier: `domicile dossier set {code} --status draft` begins one")),
    }
}

fn words<'w>(items: impl Iterator<Item = &'w str>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
