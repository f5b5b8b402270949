//! What an incident is, and what is written to it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentKind {
    /// The service cannot be reached from somewhere.
    Unreachable,
    /// It is slow there.
    Throttled,
    /// It stands in a register of what is blocked.
    Listed,
    /// It does not work.
    Outage,
    /// It is being worked on.
    Maintenance,
    /// Something else.
    Other,
}

impl IncidentKind {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Throttled => "throttled",
            Self::Listed => "listed",
            Self::Outage => "outage",
            Self::Maintenance => "maintenance",
            Self::Other => "other",
        }
    }
}

/// Where an incident stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentState {
    /// Something hints at it.
    FirstSign,
    /// It is so.
    Confirmed,
    /// It seems over, and is being watched.
    Watching,
    /// It is over.
    Resolved,
}

impl IncidentState {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::FirstSign => "first_sign",
            Self::Confirmed => "confirmed",
            Self::Watching => "watching",
            Self::Resolved => "resolved",
        }
    }

    /// The state of an incident that is not over.
    pub(in crate::standing) fn open_from_word(word: &str) -> Self {
        let known = [Self::FirstSign, Self::Confirmed, Self::Watching];
        known.into_iter().find(|state| state.word() == word).unwrap_or(Self::Confirmed)
    }
}

/// An incident with its updates. Times are in milliseconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Incident {
    /// Its number.
    pub incident: i64,
    /// What it is about, such as `access:RU`.
    pub sign: String,
    /// The jurisdiction that it concerns; none if it concerns everybody.
    pub code: Option<String>,
    /// What kind of thing happened.
    pub kind: String,
    /// Where it stands.
    pub state: String,
    /// Whether the status page shows it.
    pub is_public: bool,
    /// The first sign.
    pub began_ts: i64,
    /// When it was over.
    pub resolved_ts: Option<i64>,
    /// What was found, said and told, the oldest first.
    pub updates: Vec<Update>,
}

/// Something that was found, said or told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Update {
    /// Its number.
    pub update: i64,
    /// When, in milliseconds since the epoch.
    pub at_ts: i64,
    /// Where the incident stood from then on.
    pub state: String,
    /// Who wrote it: a person, or what noticed it.
    pub who: String,
    /// What the public reads, by language.
    pub words: BTreeMap<String, String>,
    /// For the operator.
    pub note: Option<String>,
    /// How many people were told in their clients.
    pub told: i64,
}

/// A sign that something noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sign {
    /// What it is about, such as `access:RU`: further signs of it go to the same incident while it is not resolved.
    pub sign: String,
    /// The jurisdiction that it concerns.
    pub code: Option<String>,
    /// What kind of thing happened.
    pub kind: IncidentKind,
    /// Where the incident stands by this sign: a second, independent sign confirms it.
    pub state: IncidentState,
    /// What noticed it.
    pub who: String,
    /// What was noticed, with its evidence.
    pub note: String,
}

/// An update that somebody writes, or a new incident.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewUpdate {
    /// Where the incident stands from now on; none leaves it.
    pub state: Option<IncidentState>,
    /// What the public reads, by language.
    #[serde(default)]
    pub words: BTreeMap<String, String>,
    /// For the operator.
    pub note: Option<String>,
    /// Whether the status page shows it; none leaves it.
    pub is_public: Option<bool>,
    /// Who writes it.
    pub who: String,
}

/// A new incident that somebody opens.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct NewIncident {
    /// What kind of thing happens.
    pub kind: IncidentKind,
    /// The jurisdiction that it concerns; none if it concerns everybody.
    pub code: Option<String>,
    /// The first update.
    #[serde(flatten)]
    pub first: FirstUpdate,
}

/// The first update of an incident that somebody opens.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct FirstUpdate {
    /// What the public reads, by language.
    #[serde(default)]
    pub words: BTreeMap<String, String>,
    /// For the operator.
    pub note: Option<String>,
    /// Whether the status page shows it.
    #[serde(default)]
    pub is_public: bool,
    /// Who writes it.
    pub who: String,
}
