//! What a jurisdiction asks: values as the catalogue has them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::words::{Audience, Check, Confidence, Counted, Kind, Role, Service, Storage, Subject};

/// A country or union whose law asks something of a messaging service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Jurisdiction {
    /// ISO 3166 code, or `EU`.
    pub code: String,
    /// Its name in English.
    pub name: String,
    /// Codes of the countries that it is made of, if it is a union: a user of theirs is a user of its.
    pub members: BTreeSet<String>,
    /// The day on which the entries were last compared with their sources, as `2026-11-28`.
    pub as_of: String,
    /// What is worth knowing beside the duties: practice, history.
    pub note: Option<String>,
    /// What it asks, in the order of the file.
    pub duties: Vec<Duty>,
}

/// One thing that a law asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Duty {
    /// Its name within the jurisdiction, such as `ori-registration`.
    pub id: String,
    /// One line for people.
    pub title: String,
    /// What kind of duty it is.
    pub kind: Kind,
    /// What the law asks.
    pub asks: String,
    /// What doing it switches on: what else is asked of whoever has done it.
    pub entails: String,
    /// What it means for the people who use the service.
    pub risk_to_users: String,
    /// When it applies.
    pub trigger: Trigger,
    /// The kinds of data that it is about, in the law's words.
    pub data: Vec<String>,
    /// Where data is to be, if it says so.
    pub storage: Option<Storage>,
    /// How long data is to be kept at least, in words, if it says so.
    pub retention: Option<String>,
    /// Where and how to register, if that is asked.
    pub registration: Option<Registration>,
    /// Who is to be named.
    pub contacts: Vec<Role>,
    /// Times within which something is to happen.
    pub clocks: Vec<Limit>,
    /// How often to report, in words.
    pub report: Option<String>,
    /// What follows on failure, step by step.
    pub sanctions: Vec<String>,
    /// What the service can tell by itself about whether it is met.
    pub met_by: Option<Check>,
    /// What of it Domicile declines, always.
    pub declined_by_design: Option<Declined>,
    /// Duties of other jurisdictions that cannot be met together with it.
    pub conflicts: Vec<Conflict>,
    /// Where it stands. At least one.
    pub sources: Vec<Source>,
}

/// When a duty applies: if everything that stands here holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trigger {
    /// Kinds of service, any of which it is for. Empty: all.
    pub services: BTreeSet<Service>,
    /// Whom it is not for.
    pub exempt: BTreeSet<Audience>,
    /// Users of the jurisdiction at least; 1 where any user will do.
    pub users_at_least: u64,
    /// How the law counts them.
    pub counted: Counted,
    /// Whether it applies only once an authority has asked.
    pub on_request: bool,
    /// Whether it is only for those who have no establishment in the jurisdiction.
    pub foreign_only: bool,
    /// Whether it is only for operators of critical infrastructure.
    pub critical_only: bool,
}

impl Default for Trigger {
    /// Anybody of the jurisdiction who uses any kind of service.
    fn default() -> Self {
        Self {
            services: BTreeSet::new(),
            exempt: BTreeSet::new(),
            users_at_least: 1,
            counted: Counted::Registered,
            on_request: false,
            foreign_only: false,
            critical_only: false,
        }
    }
}

/// Where and how to register.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Registration {
    /// The authority.
    pub authority: String,
    /// The register.
    pub register: String,
    /// How it is reached: a form, a portal, an address.
    pub channel: Option<String>,
    /// Until when, in words.
    pub deadline: Option<String>,
}

/// A time within which something is to happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Limit {
    /// What.
    pub what: String,
    /// Hours; working days are counted as 24.
    pub hours: u32,
}

/// What is declined, in words that an authority can be sent, by language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Declined {
    /// What.
    pub subject: Subject,
    /// The words by language; English is always there.
    pub words: BTreeMap<String, String>,
}

/// A duty elsewhere that cannot be met together with this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// The other duty, as `EU/transfers`.
    pub with: String,
    /// Why not.
    pub how: String,
}

/// Where a duty stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// The law.
    pub law: String,
    /// The article in it.
    pub article: Option<String>,
    /// Since when it is in force, as `2015-09-01`.
    pub date: Option<String>,
    /// Where it can be read.
    pub url: Option<String>,
    /// How well it is known.
    pub confidence: Confidence,
}

impl Jurisdiction {
    /// The duty of a name.
    pub fn duty(&self, id: &str) -> Option<&Duty> {
        self.duties.iter().find(|duty| duty.id == id)
    }

    /// Whether a user of a country is one of this jurisdiction.
    pub fn covers(&self, country: &str) -> bool {
        self.code == country || self.members.contains(country)
    }
}

impl Duty {
    /// How well the least known of its sources is known.
    pub fn confidence(&self) -> Confidence {
        self.sources.iter().map(|source| source.confidence).max().unwrap_or(Confidence::Unverified)
    }
}

impl Declined {
    /// The words in a language, else in English.
    pub fn words_in(&self, language: &str) -> &str {
        self.words.get(language).or_else(|| self.words.get("en")).map_or("", String::as_str)
    }
}
