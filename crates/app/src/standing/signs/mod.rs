//! Incidents that open, go on and end by themselves: what stands in registers and what probes see is compared with them again and again.
//!
//! The database has all that is needed, so a look that was missed is made up for by the next one. People are told nothing by a sign alone: the
//! words are the operator's. But whoever was told that something is wrong is told that it is over.

mod judge;
mod told;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use domicile_core::clock::{Clock, DAY_MS};
use domicile_residency::interference::Kind;
use domicile_store::{Store, table::probes as rows};
use tokio_util::sync::CancellationToken;

use super::{
    Addresses, Alerts, Incidents, Notices,
    incidents::{Incident, IncidentState, NewUpdate},
    status::over_in_all_languages,
};
use crate::{Result, blocklists::Blocklists, probes::Probes, rounds::again_and_again};

use judge::{Facts, Open, PROBES, REGISTERS, Seen, Step};
pub(crate) use told::KINDS;

/// How often it is looked, beside what pokes it.
const PAUSE: Duration = Duration::from_secs(30);
/// How far back probes count, and how many of them.
const PROBES_MS: i64 = 30 * DAY_MS;
const PROBES_MOST: i64 = 20_000;
/// How long after its end people may yet be told of it.
const TOLD_MS: i64 = 3 * DAY_MS;

/// What the service needs.
pub struct SignParts {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What stands in registers.
    pub blocklists: Arc<Blocklists>,
    /// Who looks.
    pub probes: Arc<Probes>,
    /// What is written.
    pub incidents: Arc<Incidents>,
    /// What the operator is told.
    pub alerts: Arc<Alerts>,
    /// What people are told.
    pub notices: Arc<Notices>,
    /// Where else the service is reached.
    pub addresses: Arc<Addresses>,
}

/// Turns what is noticed into incidents.
pub struct Signs {
    parts: SignParts,
    /// One look at a time: nothing is written twice.
    turn: tokio::sync::Mutex<()>,
}

impl Signs {
    /// Over the services that it uses.
    pub fn new(parts: SignParts) -> Self {
        Self { parts, turn: tokio::sync::Mutex::default() }
    }

    /// Looks once: writes what is new to incidents, ends those that are over, raises and clears alerts.
    pub async fn look(&self) -> Result<()> {
        let _turn = self.turn.lock().await;
        let facts = self.facts().await?;
        for step in judge::judge(&facts) {
            match step {
                Step::Sign(sign) => {
                    self.parts.incidents.sign(sign).await?;
                }
                Step::Resolve { sign, note } => self.resolve(&sign, note).await?,
            }
        }
        let open = self.parts.incidents.open_by_signs().await?;
        let troubles = self.parts.blocklists.troubles().await?;
        let mut alerts = told::alerts(&open, &facts.listed, &troubles);
        alerts.extend(self.parts.addresses.alerts());
        self.parts.alerts.settle(&KINDS, alerts).await?;
        self.tell_what_is_over().await
    }

    /// Looks again and again, until the server stops.
    pub async fn run(self: Arc<Self>, stopping: CancellationToken) {
        again_and_again(PAUSE, &stopping, || async {
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "signs of registers and probes could not be looked at");
            }
        })
        .await;
    }

    async fn facts(&self) -> Result<Facts> {
        let open = self.parts.incidents.open_by_signs().await?;
        let since_ts = self.parts.clock.now_ms() - PROBES_MS;
        let seen =
            self.parts.store.read(move |snapshot| async move { rows::since(&snapshot, since_ts, PROBES_MOST).await });
        let mut names: BTreeMap<i64, String> = [(rows::OWN, "this server".to_owned())].into();
        names
            .extend(self.parts.probes.vantages().await?.into_iter().map(|vantage| (vantage.vantage_num, vantage.name)));
        let seen = seen.await?.into_iter().filter_map(|row| {
            // The word of somebody who was dismissed neither opens anything nor holds it open.
            let vantage = (row.vantage_num, names.get(&row.vantage_num)?.clone());
            Some(Seen {
                vantage,
                country: row
                    .country
                    .filter(|code| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase())),
                host: row.host,
                port: row.port,
                at_ts: row.started_ts,
                kind: Kind::named(&row.verdict)?,
                evidence: serde_json::from_str(&row.evidence).unwrap_or_default(),
            })
        });
        Ok(Facts {
            listed: self.parts.blocklists.listed().await?,
            watched: self.parts.blocklists.jurisdictions(),
            seen: seen.collect(),
            open: open.iter().map(known).collect(),
            over: self.parts.incidents.last_over().await?,
        })
    }

    /// Ends an incident. Where people know of it, the words for them are there at once.
    async fn resolve(&self, sign: &str, note: String) -> Result<()> {
        let Some(incident) = self.parts.incidents.about(sign).await? else { return Ok(()) };
        let is_known = incident.is_public || incident.updates.iter().any(|update| update.told > 0);
        let new = NewUpdate {
            state: Some(IncidentState::Resolved),
            words: if is_known { over_in_all_languages() } else { BTreeMap::new() },
            note: Some(note).filter(|note| !note.is_empty()),
            is_public: None,
            who: "signs".to_owned(),
        };
        self.parts.incidents.update(incident.incident, new).await?;
        Ok(())
    }

    /// Tells those who were told that something is wrong that it is over, also after a crash between the two.
    async fn tell_what_is_over(&self) -> Result<()> {
        let since_ts = self.parts.clock.now_ms() - TOLD_MS;
        for incident in self.parts.incidents.resolved_after(since_ts).await? {
            let Some((last, before)) = incident.updates.split_last() else { continue };
            let is_owed = last.who == "signs" && !last.words.is_empty() && last.told == 0;
            if is_owed && before.iter().any(|update| update.told > 0) {
                let told = self.parts.notices.tell(incident.incident, false).await?;
                tracing::info!(
                    incident = incident.incident,
                    told = told.told,
                    "people were told that an incident is over"
                );
            }
        }
        Ok(())
    }
}

/// What stands in an incident already.
fn known(incident: &Incident) -> Open {
    let mut said = BTreeMap::new();
    for update in &incident.updates {
        let who = [REGISTERS, PROBES].into_iter().find(|who| *who == update.who);
        if let (Some(who), Some(note)) = (who, &update.note) {
            said.insert(who, note.split("\n\n").next().unwrap_or_default().to_owned());
        }
    }
    Open { sign: incident.sign.clone(), state: IncidentState::open_from_word(&incident.state), said }
}
