//! Duties × facts → answers: gathers what is known about the deployment, and has the crate `residency` compare it with the law.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use domicile_core::clock::Clock;
use domicile_residency::standing::{
    Answer, Duty, Facts, Jurisdiction, evaluate,
    evaluate::{Triggered, name},
    facts::{Decision, DemandFacts, DossierFacts},
    words::{Confidence, Kind, Role, Status},
};
use domicile_store::{
    Batch, Snapshot, Store, StoreError,
    table::{demands, dossiers, duty_decisions, user_jurisdictions},
};
use serde::Serialize;

use super::{StandingSettings, line, reason::reason, text};
use crate::{Result, error::not_found};

/// Duties and their answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Table {
    /// When it was made, in milliseconds since the epoch.
    pub generated_ts: i64,
    /// Accounts in use.
    pub users: u64,
    /// Of these, those for which no jurisdiction is noted.
    pub users_unknown: u64,
    /// The jurisdictions.
    pub jurisdictions: Vec<Section>,
    /// Codes of jurisdictions without users that are left out.
    pub others: Vec<String>,
}

/// A jurisdiction in the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Section {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// The day on which the catalogue was last compared with its sources.
    pub as_of: String,
    /// What is worth knowing.
    pub note: Option<String>,
    /// Accounts in use.
    pub users: u64,
    /// Where the dossier stands, if there is one.
    pub dossier: Option<Status>,
    /// What is asked.
    pub duties: Vec<Line>,
}

/// A duty in the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Its whole name, such as `RU/ori-registration`.
    pub duty: String,
    /// One line for people.
    pub title: String,
    /// What kind of duty it is.
    pub kind: Kind,
    /// The law and its article.
    pub law: String,
    /// How well the least known of its sources is known.
    pub confidence: Confidence,
    /// Whether it applies.
    pub triggered: Triggered,
    /// Why the answer is what it is, in a sentence.
    pub reason: String,
    /// The answer.
    #[serde(flatten)]
    pub answer: Answer,
}

/// A duty with all that the catalogue says about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DutyText {
    /// Its place in the table.
    #[serde(flatten)]
    pub line: Line,
    /// The jurisdiction's name.
    pub jurisdiction: String,
    /// The day on which it was last compared with its sources.
    pub as_of: String,
    /// What the catalogue says.
    pub text: Duty,
}

/// Compares the law with the deployment.
pub struct Duties {
    store: Store,
    clock: Arc<dyn Clock>,
    settings: StandingSettings,
}

impl Duties {
    /// Over a store.
    pub fn new(store: Store, clock: Arc<dyn Clock>, settings: StandingSettings) -> Self {
        Self { store, clock, settings }
    }

    /// What the operator says about the service.
    pub fn settings(&self) -> &StandingSettings {
        &self.settings
    }

    /// The table of all jurisdictions that have users, a dossier, or, with `all`, of every one of the catalogue.
    pub async fn table(&self, all: bool) -> Result<Table> {
        let facts = self.facts().await?;
        let mut lines: BTreeMap<&str, Vec<Line>> = BTreeMap::new();
        for row in evaluate(&self.settings.catalogue, &facts) {
            let code = row.jurisdiction.code.as_str();
            lines.entry(code).or_default().push(line_of(row.jurisdiction, row.duty, row.triggered, row.answer));
        }
        let mut table = Table {
            generated_ts: facts.now_ms,
            users: facts.all_users(),
            users_unknown: facts.users_unknown,
            jurisdictions: Vec::new(),
            others: Vec::new(),
        };
        for jurisdiction in self.settings.catalogue.all() {
            let (users, code) = (facts.users_of(jurisdiction), jurisdiction.code.clone());
            let dossier = facts.dossiers.get(&code).map(|dossier| dossier.status);
            if !all && users == 0 && dossier.is_none() {
                table.others.push(code);
                continue;
            }
            let duties = lines.remove(code.as_str()).unwrap_or_default();
            let (name, as_of, note) =
                (jurisdiction.name.clone(), jurisdiction.as_of.clone(), jurisdiction.note.clone());
            table.jurisdictions.push(Section { code, name, as_of, note, users, dossier, duties });
        }
        Ok(table)
    }

    /// One duty with all that the catalogue says about it, by its whole name.
    pub async fn duty(&self, duty: &str) -> Result<DutyText> {
        self.known(duty)?;
        let facts = self.facts().await?;
        let row = evaluate(&self.settings.catalogue, &facts)
            .into_iter()
            .find(|row| name(row.jurisdiction, row.duty) == duty)
            .ok_or_else(|| missing(duty))?;
        Ok(DutyText {
            jurisdiction: row.jurisdiction.name.clone(),
            as_of: row.jurisdiction.as_of.clone(),
            text: row.duty.clone(),
            line: line_of(row.jurisdiction, row.duty, row.triggered, row.answer),
        })
    }

    fn known(&self, duty: &str) -> Result<(&Jurisdiction, &Duty)> {
        self.settings.catalogue.duty(duty).ok_or_else(|| missing(duty))
    }

    /// Notes that the operator chose not to meet a duty.
    pub async fn choose_not_to(&self, duty: &str, who: &str, why: &str) -> Result<DutyText> {
        self.known(duty)?;
        let (who, why) = (line("The name of who decides", who)?, text("The reason", why)?);
        let mut batch = Batch::new();
        let decided_ts = self.clock.now_ms();
        duty_decisions::set(&mut batch, duty_decisions::DutyDecision { duty: duty.to_owned(), who, why, decided_ts });
        self.store.write(batch).await?;
        self.duty(duty).await
    }

    /// Takes such a decision back.
    pub async fn choose_to(&self, duty: &str) -> Result<DutyText> {
        self.known(duty)?;
        let mut batch = Batch::new();
        duty_decisions::remove(&mut batch, duty);
        self.store.write(batch).await?;
        self.duty(duty).await
    }

    /// What is known about the deployment.
    pub async fn facts(&self) -> Result<Facts> {
        let now_ms = self.clock.now_ms();
        let gathered: Gathered =
            self.store.read(move |snapshot| async move { Gathered::read(&snapshot).await }).await?;
        Ok(self.put_together(gathered, now_ms))
    }

    fn put_together(&self, gathered: Gathered, now_ms: i64) -> Facts {
        let mut users: BTreeMap<String, u64> =
            gathered.counts.into_iter().map(|(code, count)| (code, u64::try_from(count).unwrap_or_default())).collect();
        let users_unknown = users.remove("").unwrap_or_default();
        let roles = |code: &str| -> BTreeSet<Role> {
            let of = gathered.contacts.iter().filter(|contact| contact.code == code);
            of.filter_map(|contact| Role::from_word(&contact.role)).collect()
        };
        let facts_of = |row: &dossiers::Dossier| DossierFacts {
            status: Status::from_word(&row.status).unwrap_or(Status::Draft),
            expires_ts: row.expires_ts,
            roles: roles(&row.code),
            number: row.number.clone(),
        };
        let (mut demands, mut requested) = (BTreeMap::<String, DemandFacts>::new(), BTreeMap::new());
        for (code, duty, received_ts, due_ts, state) in gathered.demands {
            if state == "open" {
                let of = demands.entry(code).or_default();
                of.open += 1;
                of.late += u64::from(due_ts.is_some_and(|due_ts| due_ts < now_ms));
            }
            if let Some(duty) = duty {
                requested.entry(duty).or_insert(received_ts);
            }
        }
        let public = gathered.contacts.iter().filter(|contact| contact.is_public).count();
        Facts {
            services: self.settings.services.clone(),
            audience: self.settings.audience,
            established_in: self.settings.established_in.clone(),
            stored_in: self.settings.stored_in.clone(),
            critical_in: self.settings.critical_in.clone(),
            users,
            users_unknown,
            public_contacts: self.settings.public_contacts + public,
            dossiers: gathered.dossiers.iter().map(|row| (row.code.clone(), facts_of(row))).collect(),
            decisions: gathered.decisions.into_iter().map(decision).collect(),
            demands,
            requested,
            now_ms,
        }
    }
}

/// What the database says.
struct Gathered {
    counts: Vec<(String, i64)>,
    decisions: Vec<duty_decisions::DutyDecision>,
    dossiers: Vec<dossiers::Dossier>,
    contacts: Vec<dossiers::Contact>,
    demands: Vec<demands::Counted>,
}

impl Gathered {
    async fn read(snapshot: &Snapshot) -> std::result::Result<Self, StoreError> {
        Ok(Self {
            counts: user_jurisdictions::counts(snapshot).await?,
            decisions: duty_decisions::all(snapshot).await?,
            dossiers: dossiers::all(snapshot).await?,
            contacts: dossiers::contacts(snapshot).await?,
            demands: demands::counted(snapshot).await?,
        })
    }
}

fn decision(row: duty_decisions::DutyDecision) -> (String, Decision) {
    (row.duty, Decision { who: row.who, when_ts: row.decided_ts, why: row.why })
}

fn line_of(at: &Jurisdiction, duty: &Duty, triggered: Triggered, answer: Answer) -> Line {
    let law = duty.sources.first().map(|source| match &source.article {
        Some(article) => format!("{}, art. {article}", source.law),
        None => source.law.clone(),
    });
    Line {
        duty: name(at, duty),
        title: duty.title.clone(),
        kind: duty.kind,
        law: law.unwrap_or_default(),
        confidence: duty.confidence(),
        triggered,
        reason: reason(&answer),
        answer,
    }
}

fn missing(duty: &str) -> crate::Error {
    not_found(format!("There is no duty `{duty}`: `domicile standing --all` lists them."))
}
