//! The country under whose law somebody lives: as it was told, with source and date, and as the user corrects it. It is never guessed from an
//! address, and having none is allowed.

use std::{collections::BTreeSet, sync::Arc};

use domicile_core::{clock::Clock, error::ErrorKind, ids::UserNum};
use domicile_store::{
    Batch, Store,
    table::user_jurisdictions::{self, UserJurisdiction},
};
use ruma::UserId;
use serde::Serialize;

use super::{code, line};
use crate::{Result, accounts::Users, error::not_found};

/// Jurisdictions that somebody can name as those in which nothing of theirs may be.
const MOST_AVOIDED: usize = 50;

/// What is noted for a user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Noted {
    /// The code that counts: the user's own word, else what was told.
    pub jurisdiction: Option<String>,
    /// Where it is from: `self`, or what whoever told it wrote.
    pub source: Option<String>,
    /// When it was noted, in milliseconds since the epoch.
    pub noted_ts: Option<i64>,
    /// What was told where the user corrected it.
    pub stated: Option<String>,
    /// The jurisdictions in which the user wants nothing of theirs to be, by their own word.
    pub never_in: Vec<String>,
    /// When they said so, in milliseconds since the epoch.
    pub never_in_ts: Option<i64>,
}

impl From<UserJurisdiction> for Noted {
    fn from(row: UserJurisdiction) -> Self {
        let (never_in, never_in_ts) = row.never_in.map_or((Vec::new(), None), |(codes, at)| (codes, Some(at)));
        let told = row.stated.as_ref().map(|(code, ..)| code.clone());
        let (jurisdiction, source, noted_ts, stated) = match (row.corrected, row.stated) {
            (Some((code, at)), _) => (Some(code), Some("self".to_owned()), Some(at), told),
            (None, Some((code, source, at))) => (Some(code), Some(source), Some(at), None),
            (None, None) => (None, None, None, None),
        };
        Self { jurisdiction, source, noted_ts, stated, never_in, never_in_ts }
    }
}

/// Knows and notes jurisdictions of users.
pub struct Jurisdictions {
    store: Store,
    clock: Arc<dyn Clock>,
    users: Arc<Users>,
}

impl Jurisdictions {
    /// Over a store.
    pub fn new(store: Store, clock: Arc<dyn Clock>, users: Arc<Users>) -> Self {
        Self { store, clock, users }
    }

    async fn num(&self, user_id: &UserId) -> Result<UserNum> {
        let missing = || not_found(format!("{user_id} has no account here."));
        if !self.users.is_local(user_id) {
            return Err(missing());
        }
        self.users.num(user_id).await?.ok_or_else(missing)
    }

    /// What is noted for a user.
    pub async fn of(&self, user_id: &UserId) -> Result<Noted> {
        let user_num = self.num(user_id).await?;
        let row = self
            .store
            .read(move |snapshot| async move { user_jurisdictions::of_user(&snapshot, user_num).await })
            .await?;
        Ok(Noted::from(row))
    }

    /// Notes what somebody other than the user tells; `None` takes it back. The user's own word stays, and goes before it.
    pub async fn state(&self, user_id: &UserId, jurisdiction: Option<&str>, source: &str) -> Result<Noted> {
        let jurisdiction = jurisdiction.map(code).transpose()?;
        let source = line("The source", source)?;
        let mut batch = Batch::new();
        user_jurisdictions::state(&mut batch, self.num(user_id).await?, jurisdiction, source, self.clock.now_ms());
        self.store.write(batch).await?;
        self.of(user_id).await
    }

    /// Notes the user's own word; `None` takes it back.
    pub async fn correct(&self, user_id: &UserId, jurisdiction: Option<&str>) -> Result<Noted> {
        let jurisdiction = jurisdiction.map(code).transpose()?;
        let mut batch = Batch::new();
        user_jurisdictions::correct(&mut batch, self.num(user_id).await?, jurisdiction, self.clock.now_ms());
        self.store.write(batch).await?;
        self.of(user_id).await
    }

    /// Notes in which jurisdictions the user wants nothing of theirs to be: nobody moves their home there then. None takes it back.
    pub async fn avoid(&self, user_id: &UserId, jurisdictions: &[String]) -> Result<Noted> {
        if jurisdictions.len() > MOST_AVOIDED {
            let text = format!("`never_in` names more than {MOST_AVOIDED} jurisdictions.");
            return Err(ErrorKind::InvalidParam.with(text).into());
        }
        let codes = jurisdictions.iter().map(|named| code(named)).collect::<Result<BTreeSet<String>>>()?;
        let codes: Vec<String> = codes.into_iter().collect();
        let mut batch = Batch::new();
        user_jurisdictions::avoid(&mut batch, self.num(user_id).await?, &codes, self.clock.now_ms());
        self.store.write(batch).await?;
        self.of(user_id).await
    }
}
