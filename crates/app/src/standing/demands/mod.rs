//! Demands of authorities: who demands what by which law until when, what was decided by whom, and what was given in bytes by class. Who and what is
//! sealed with the cell's key; counts by year and jurisdiction are for everybody.

mod counts;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use domicile_core::{
    clock::{Clock, HOUR_MS},
    error::ErrorKind,
};
use domicile_store::{
    Batch, Keystore, Store, catalogue,
    numbers::Sequence,
    table::demands::{self as rows},
};
use serde::{Deserialize, Serialize};

use super::{Duties, code, line, text};
use crate::{Error, Result, error::not_found};

pub use counts::{Count, Counts};

const SEALED: &str = "demands.sealed";
/// Demands of a page.
const PAGE: i64 = 500;

/// What was decided about a demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Nothing was given, for a reason.
    Refused,
    /// A part was given.
    Partly,
    /// What was demanded was given.
    Complied,
    /// There is nothing that could be given.
    Nothing,
    /// The authority took it back.
    Withdrawn,
}

impl Outcome {
    fn word(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Partly => "partly",
            Self::Complied => "complied",
            Self::Nothing => "nothing",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// What is sealed of a demand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Sealed {
    authority: String,
    reference: Option<String>,
    basis: String,
    scope: String,
    added_by: String,
    decision: Option<String>,
    decided_by: Option<String>,
}

/// A demand. Times are in milliseconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Demand {
    /// Its number.
    pub demand: i64,
    /// The jurisdiction's code.
    pub code: String,
    /// The duty that it refers to.
    pub duty: Option<String>,
    /// Who demands.
    pub authority: String,
    /// Their file number.
    pub reference: Option<String>,
    /// By which law.
    pub basis: String,
    /// What.
    pub scope: String,
    /// When it came.
    pub received_ts: i64,
    /// Until when it is to be answered.
    pub due_ts: Option<i64>,
    /// `open`, or what was decided.
    pub state: String,
    /// Whether it is open and its time is over.
    pub is_late: bool,
    /// When it was answered.
    pub answered_ts: Option<i64>,
    /// What was decided, and why.
    pub decision: Option<String>,
    /// Who decided.
    pub decided_by: Option<String>,
    /// What was given: bytes by class.
    pub given: BTreeMap<String, i64>,
}

/// A demand that came.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewDemand {
    /// The jurisdiction's code.
    pub code: String,
    /// Who demands.
    pub authority: String,
    /// Their file number.
    pub reference: Option<String>,
    /// By which law.
    pub basis: String,
    /// What.
    pub scope: String,
    /// The duty that it refers to, such as `RU/user-information`: its clock is the demand's.
    pub duty: Option<String>,
    /// When it came, if not now.
    pub received_ts: Option<i64>,
    /// Until when it is to be answered, if not by the duty's clock.
    pub due_ts: Option<i64>,
    /// Who writes it down.
    pub who: String,
}

/// The answer to a demand.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answered {
    /// What was decided.
    pub outcome: Outcome,
    /// Why, and what was written.
    pub decision: String,
    /// Who decided.
    pub who: String,
    /// What was given: bytes by class.
    #[serde(default)]
    pub given: BTreeMap<String, i64>,
}

/// Keeps demands.
pub struct Demands {
    store: Store,
    keystore: Arc<Keystore>,
    clock: Arc<dyn Clock>,
    duties: Arc<Duties>,
}

impl Demands {
    /// Over a store.
    pub fn new(store: Store, keystore: Arc<Keystore>, clock: Arc<dyn Clock>, duties: Arc<Duties>) -> Self {
        Self { store, keystore, clock, duties }
    }

    /// Writes a demand down.
    pub async fn add(&self, new: NewDemand) -> Result<Demand> {
        let now_ms = self.clock.now_ms();
        let received_ts = new.received_ts.unwrap_or(now_ms);
        if received_ts > now_ms {
            return Err(ErrorKind::InvalidParam.with("A demand cannot have come tomorrow.").into());
        }
        let clock = new.duty.as_deref().map(|duty| self.clock_of(&new.code, duty)).transpose()?.flatten();
        let due_ts = new.due_ts.or_else(|| clock.map(|hours| received_ts + i64::from(hours) * HOUR_MS));
        let sealed = Sealed {
            authority: line("The authority", &new.authority)?,
            reference: new.reference.as_deref().map(|reference| line("The file number", reference)).transpose()?,
            basis: line("The legal basis", &new.basis)?,
            scope: text("What is demanded", &new.scope)?,
            added_by: line("The name of who writes it down", &new.who)?,
            ..Sealed::default()
        };
        let demand_num = self.store.number(Sequence::Demand).await?;
        let mut batch = Batch::new();
        let row = rows::Demand {
            demand_num,
            code: code(&new.code)?,
            duty: new.duty,
            received_ts,
            due_ts,
            state: "open".to_owned(),
            answered_ts: None,
            sealed: self.seal(&sealed)?,
        };
        rows::insert(&mut batch, row);
        self.store.write(batch).await?;
        self.get(demand_num).await
    }

    /// The classes of data that can be given, by name.
    pub fn classes() -> BTreeSet<&'static str> {
        catalogue::tables().iter().map(|table| table.class.name()).collect()
    }

    /// The shortest clock of a duty, in hours.
    fn clock_of(&self, code: &str, duty: &str) -> Result<Option<u32>> {
        let found = self.duties.settings().catalogue.duty(duty).filter(|(at, _)| at.code == code);
        let (_, found) = found.ok_or_else(|| not_found(format!("{code} has no duty `{duty}`.")))?;
        Ok(found.clocks.iter().map(|clock| clock.hours).min())
    }

    /// Notes the answer to a demand.
    pub async fn answer(&self, demand_num: i64, answer: Answered) -> Result<Demand> {
        let row = self.row(demand_num).await?;
        if row.answered_ts.is_some() {
            return Err(ErrorKind::InvalidParam.with(format!("Demand {demand_num} is answered already.")).into());
        }
        let gives = matches!(answer.outcome, Outcome::Complied | Outcome::Partly);
        if gives == answer.given.is_empty() {
            let what = if gives {
                "Say what was given, in bytes by class."
            } else {
                "Nothing was given, and yet something was."
            };
            return Err(ErrorKind::InvalidParam.with(what).into());
        }
        for (class, bytes) in &answer.given {
            check_class(class)?;
            if *bytes <= 0 {
                return Err(ErrorKind::InvalidParam.with(format!("{class}: a number of bytes above 0.")).into());
            }
        }
        let mut sealed = self.unsealed(&row)?;
        sealed.decision = Some(text("The decision", &answer.decision)?);
        sealed.decided_by = Some(line("The name of who decided", &answer.who)?);
        let mut batch = Batch::new();
        rows::answer(&mut batch, demand_num, answer.outcome.word(), self.seal(&sealed)?, self.clock.now_ms());
        for (class, bytes) in &answer.given {
            rows::give(&mut batch, demand_num, class, *bytes);
        }
        match self.store.write(batch).await {
            Ok(_) => self.get(demand_num).await,
            Err(error) if error.is_conflict() => {
                Err(ErrorKind::InvalidParam.with(format!("Demand {demand_num} is answered already.")).into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Demands after a number; the number to go on with, if there are more.
    pub async fn list(&self, after: i64) -> Result<(Vec<Demand>, Option<i64>)> {
        let (found, given) = self
            .store
            .read(move |snapshot| async move {
                Ok::<_, Error>((rows::page(&snapshot, after, PAGE).await?, rows::given(&snapshot).await?))
            })
            .await?;
        let more = i64::try_from(found.len()).unwrap_or(PAGE) == PAGE;
        let next = found.last().filter(|_| more).map(|row| row.demand_num);
        let found: Vec<Demand> = found.iter().map(|row| self.demand(row, &given)).collect::<Result<_>>()?;
        Ok((found, next))
    }

    /// All demands that wait for an answer.
    pub async fn open(&self) -> Result<Vec<Demand>> {
        let (mut after, mut open) = (0, Vec::new());
        loop {
            let (found, next) = self.list(after).await?;
            open.extend(found.into_iter().filter(|demand| demand.answered_ts.is_none()));
            match next {
                Some(next) => after = next,
                None => return Ok(open),
            }
        }
    }

    /// One demand.
    pub async fn get(&self, demand_num: i64) -> Result<Demand> {
        let row = self.row(demand_num).await?;
        let given = self.store.read(|snapshot| async move { rows::given(&snapshot).await }).await?;
        self.demand(&row, &given)
    }

    /// Counts by year and jurisdiction, zeros too.
    pub async fn counts(&self) -> Result<Counts> {
        let (found, given) = self
            .store
            .read(|snapshot| async move {
                let demands = rows::page(&snapshot, 0, i64::MAX).await?;
                Ok::<_, Error>((demands, rows::given(&snapshot).await?))
            })
            .await?;
        let table = self.duties.table(false).await?;
        let here = table.jurisdictions.into_iter().map(|section| section.code).collect();
        Ok(counts::count(&found, &given, here, self.clock.now_ms()))
    }

    async fn row(&self, demand_num: i64) -> Result<rows::Demand> {
        let found = self.store.read(move |snapshot| async move { rows::one(&snapshot, demand_num).await }).await?;
        found.ok_or_else(|| not_found(format!("There is no demand {demand_num}.")))
    }

    fn seal(&self, sealed: &Sealed) -> Result<bytes::Bytes> {
        let plain = serde_json::to_vec(sealed).map_err(Error::internal)?;
        Ok(self.keystore.cell_key().seal(SEALED, &plain)?)
    }

    fn unsealed(&self, row: &rows::Demand) -> Result<Sealed> {
        let plain = self.keystore.cell_key().open(SEALED, &row.sealed)?;
        serde_json::from_slice(&plain).map_err(Error::internal)
    }

    fn demand(&self, row: &rows::Demand, given: &[(i64, String, i64)]) -> Result<Demand> {
        let sealed = self.unsealed(row)?;
        let is_late = row.answered_ts.is_none() && row.due_ts.is_some_and(|due_ts| due_ts < self.clock.now_ms());
        let of = given.iter().filter(|(demand_num, ..)| *demand_num == row.demand_num);
        Ok(Demand {
            demand: row.demand_num,
            code: row.code.clone(),
            duty: row.duty.clone(),
            authority: sealed.authority,
            reference: sealed.reference,
            basis: sealed.basis,
            scope: sealed.scope,
            received_ts: row.received_ts,
            due_ts: row.due_ts,
            state: row.state.clone(),
            is_late,
            answered_ts: row.answered_ts,
            decision: sealed.decision,
            decided_by: sealed.decided_by,
            given: of.map(|(_, class, bytes)| (class.clone(), *bytes)).collect(),
        })
    }
}

/// A class of the catalogue. What is declined by design is none that could be given.
fn check_class(class: &str) -> Result<()> {
    let known = Demands::classes();
    if known.contains(class) {
        return Ok(());
    }
    let known: Vec<&str> = known.into_iter().collect();
    Err(ErrorKind::InvalidParam.with(format!("`{class}` is no class of data: they are {}.", known.join(", "))).into())
}
