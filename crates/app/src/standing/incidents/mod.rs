//! Incidents: one record from the first sign to the end, with everything that was found, said and told.

mod record;

use std::{collections::BTreeMap, sync::Arc};

use super::{StatusPage, code, line, text};
use crate::{Error, Result, error::not_found};
use domicile_core::{clock::Clock, error::ErrorKind};
use domicile_store::{
    Batch, Store,
    numbers::Sequence,
    table::incidents::{self as rows},
};

pub use record::{FirstUpdate, Incident, IncidentKind, IncidentState, NewIncident, NewUpdate, Sign, Update};

/// Incidents that are listed.
const LISTED: i64 = 500;
/// Attempts to write what others change at the same time.
const ATTEMPTS: usize = 5;
/// With what the sign of an incident begins that a person opened: it takes no further signs.
const BY_OPERATOR: &str = "operator:";
/// Bytes of a note that a machine wrote.
const NOTE_BYTES: usize = 8_000;
/// Languages in which an update says something, at most.
const LANGUAGES: usize = 20;

/// Keeps incidents.
pub struct Incidents {
    store: Store,
    clock: Arc<dyn Clock>,
    status: Arc<StatusPage>,
}

impl Incidents {
    /// Over a store, with the page that shows them.
    pub fn new(store: Store, clock: Arc<dyn Clock>, status: Arc<StatusPage>) -> Self {
        Self { store, clock, status }
    }

    /// Takes a sign: opens an incident, or adds to the one about the same thing that is not resolved. The public sees nothing of it before
    /// somebody says so.
    pub async fn sign(&self, sign: Sign) -> Result<Incident> {
        let name = line("The sign's name", &sign.sign)?;
        let code = sign.code.as_deref().map(code).transpose()?;
        let mut note = sign.note;
        note.retain(|letter| !letter.is_control() || letter == '\n');
        while note.len() > NOTE_BYTES {
            note.pop();
        }
        for _ in 0..ATTEMPTS {
            let asked = name.clone();
            let before =
                self.store.read(move |snapshot| async move { rows::open_with_sign(&snapshot, &asked).await }).await?;
            let update = Raw { state: sign.state, who: sign.who.clone(), words: None, note: Some(note.clone()) };
            let written = if let Some(row) = before {
                self.write_update(row, update, None).await?
            } else {
                let row = self.row(Some(name.clone()), code.clone(), sign.kind, sign.state, false).await?;
                self.write_new(row, update).await?
            };
            if let Some(number) = written {
                return self.get(number).await;
            }
        }
        Err(busy())
    }

    /// Opens an incident that somebody knows of.
    pub async fn open(&self, new: NewIncident) -> Result<Incident> {
        let code = new.code.as_deref().map(code).transpose()?;
        let first = new.first;
        let (words, note) = checked(&first.words, first.note.as_deref())?;
        let who = line("The name of who writes it", &first.who)?;
        let row = self.row(None, code, new.kind, IncidentState::Confirmed, first.is_public).await?;
        let written = self.write_new(row, Raw { state: IncidentState::Confirmed, who, words, note }).await?;
        self.get(written.ok_or_else(busy)?).await
    }

    /// Adds an update, which may resolve the incident.
    pub async fn update(&self, number: i64, new: NewUpdate) -> Result<Incident> {
        let (words, note) = checked(&new.words, new.note.as_deref())?;
        let who = line("The name of who writes it", &new.who)?;
        for _ in 0..ATTEMPTS {
            let row = self.one(number).await?;
            if row.resolved_ts.is_some() {
                let what = format!("Incident {number} is resolved: open a new one.");
                return Err(ErrorKind::InvalidParam.with(what).into());
            }
            let state = new.state.unwrap_or_else(|| IncidentState::open_from_word(&row.state));
            let update = Raw { state, who: who.clone(), words: words.clone(), note: note.clone() };
            if self.write_update(row, update, new.is_public).await?.is_some() {
                return self.get(number).await;
            }
        }
        Err(busy())
    }

    /// The incident about something that is not over.
    pub async fn about(&self, sign: &str) -> Result<Option<Incident>> {
        let asked = sign.to_owned();
        let found =
            self.store.read(move |snapshot| async move { rows::open_with_sign(&snapshot, &asked).await }).await?;
        match found {
            Some(row) => self.whole(row).await.map(Some),
            None => Ok(None),
        }
    }

    /// Those that a sign opened and that are not over.
    pub async fn open_by_signs(&self) -> Result<Vec<Incident>> {
        let rows = self.store.read(|snapshot| async move { rows::open(&snapshot).await }).await?;
        let mut found = Vec::new();
        for row in rows.into_iter().filter(|row| !row.sign.starts_with(BY_OPERATOR)) {
            found.push(self.whole(row).await?);
        }
        Ok(found)
    }

    /// When the last incident about each sign was over, in milliseconds since the epoch.
    pub async fn last_over(&self) -> Result<BTreeMap<String, i64>> {
        let rows = self.store.read(|snapshot| async move { rows::last_resolved(&snapshot).await }).await?;
        Ok(rows.into_iter().collect())
    }

    /// Those that were over after a time, in milliseconds since the epoch.
    pub async fn resolved_after(&self, after_ts: i64) -> Result<Vec<Incident>> {
        let rows =
            self.store.read(move |snapshot| async move { rows::resolved_after(&snapshot, after_ts).await }).await?;
        let mut found = Vec::new();
        for row in rows {
            found.push(self.whole(row).await?);
        }
        Ok(found)
    }

    /// The newest incidents first.
    pub async fn list(&self) -> Result<Vec<Incident>> {
        let numbers = self.store.read(|snapshot| async move { rows::newest(&snapshot, LISTED).await }).await?;
        let mut found = Vec::with_capacity(numbers.len());
        for row in numbers {
            found.push(self.whole(row).await?);
        }
        Ok(found)
    }

    /// One incident.
    pub async fn get(&self, number: i64) -> Result<Incident> {
        self.whole(self.one(number).await?).await
    }

    async fn one(&self, number: i64) -> Result<rows::Incident> {
        let found = self.store.read(move |snapshot| async move { rows::one(&snapshot, number).await }).await?;
        found.ok_or_else(|| not_found(format!("There is no incident {number}.")))
    }

    async fn whole(&self, row: rows::Incident) -> Result<Incident> {
        let number = row.incident_num;
        let (updates, told) = self
            .store
            .read(move |snapshot| async move {
                Ok::<_, Error>((rows::updates(&snapshot, number).await?, rows::told(&snapshot, number).await?))
            })
            .await?;
        let told: BTreeMap<i64, i64> = told.into_iter().collect();
        let update = |row: rows::Update| Update {
            update: row.update_num,
            at_ts: row.at_ts,
            state: row.state,
            who: row.who,
            words: row.words.as_deref().and_then(|words| serde_json::from_str(words).ok()).unwrap_or_default(),
            note: row.note,
            told: told.get(&row.update_num).copied().unwrap_or_default(),
        };
        Ok(Incident {
            incident: number,
            sign: row.sign,
            code: row.code,
            kind: row.kind,
            state: row.state,
            is_public: row.is_public,
            began_ts: row.began_ts,
            resolved_ts: row.resolved_ts,
            updates: updates.into_iter().map(update).collect(),
        })
    }

    /// A new incident. One without a sign is what a person says: it takes no further signs.
    async fn row(
        &self,
        sign: Option<String>,
        code: Option<String>,
        kind: IncidentKind,
        state: IncidentState,
        is_public: bool,
    ) -> Result<rows::Incident> {
        let incident_num: i64 = self.store.number(Sequence::Incident).await?;
        let now_ms = self.clock.now_ms();
        Ok(rows::Incident {
            incident_num,
            sign: sign.unwrap_or_else(|| format!("{BY_OPERATOR}{incident_num}")),
            code,
            kind: kind.word().to_owned(),
            state: state.word().to_owned(),
            is_public,
            began_ts: now_ms,
            resolved_ts: (state == IncidentState::Resolved).then_some(now_ms),
            revision: 0,
        })
    }

    /// Writes a new incident, and gives its number; none if somebody else opened one about the same thing just now.
    async fn write_new(&self, row: rows::Incident, update: Raw) -> Result<Option<i64>> {
        let number = row.incident_num;
        let mut batch = Batch::new();
        rows::insert(&mut batch, row);
        self.add(&mut batch, number, update).await?;
        self.written(batch, number).await
    }

    /// Writes an update; none if somebody was faster.
    async fn write_update(&self, mut row: rows::Incident, update: Raw, is_public: Option<bool>) -> Result<Option<i64>> {
        let number = row.incident_num;
        update.state.word().clone_into(&mut row.state);
        row.is_public = is_public.unwrap_or(row.is_public);
        row.resolved_ts = (update.state == IncidentState::Resolved).then(|| self.clock.now_ms());
        row.revision += 1;
        let mut batch = Batch::new();
        rows::update(&mut batch, &row);
        self.add(&mut batch, number, update).await?;
        self.written(batch, number).await
    }

    async fn written(&self, batch: Batch, number: i64) -> Result<Option<i64>> {
        match self.store.write(batch).await {
            Ok(_) => {
                self.show().await;
                Ok(Some(number))
            }
            Err(error) if error.is_conflict() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn add(&self, batch: &mut Batch, incident_num: i64, update: Raw) -> Result<()> {
        let row = rows::Update {
            update_num: self.store.number(Sequence::IncidentUpdate).await?,
            incident_num,
            at_ts: self.clock.now_ms(),
            state: update.state.word().to_owned(),
            who: update.who,
            words: update.words,
            note: update.note,
        };
        rows::add_update(batch, row);
        Ok(())
    }

    /// Has the page written anew. The incident is on disk already: a page that is late is written by its next round.
    async fn show(&self) {
        if let Err(error) = self.status.refresh().await {
            tracing::warn!(%error, "the status page could not be written anew: it is tried again within a minute");
        }
    }
}

/// An update as it is written.
struct Raw {
    state: IncidentState,
    who: String,
    words: Option<String>,
    note: Option<String>,
}

/// Words as JSON, and the note.
fn checked(words: &BTreeMap<String, String>, note: Option<&str>) -> Result<(Option<String>, Option<String>)> {
    if words.len() > LANGUAGES {
        return Err(ErrorKind::InvalidParam.with(format!("An update has at most {LANGUAGES} languages.")).into());
    }
    let mut checked = BTreeMap::new();
    for (language, said) in words {
        if !(2..=3).contains(&language.len()) || !language.bytes().all(|byte| byte.is_ascii_lowercase()) {
            let what = format!("`{language}` is no language: use codes such as en, de, ru, zh.");
            return Err(ErrorKind::InvalidParam.with(what).into());
        }
        checked.insert(language.clone(), text("The text", said)?);
    }
    let words = (!checked.is_empty()).then(|| serde_json::to_string(&checked)).transpose().map_err(Error::internal)?;
    let note = note.map(|note| text("The note", note)).transpose()?;
    Ok((words, note))
}

fn busy() -> Error {
    ErrorKind::LimitExceeded.with("Somebody else changes this incident all the time: try again.").into()
}
