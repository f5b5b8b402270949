//! The country under whose law somebody lives: as it was told, with source and date, and as the user corrects it. It is never guessed from an
//! address, and having none is allowed.

use std::sync::Arc;

use domicile_core::{clock::Clock, ids::UserNum};
use domicile_store::{Batch, Store, table::user_jurisdictions};
use ruma::UserId;
use serde::Serialize;

use super::{code, line};
use crate::{Result, accounts::Users, error::not_found};

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
        let stated = row.stated.as_ref().map(|(code, ..)| code.clone());
        Ok(match (row.corrected, row.stated) {
            (Some((code, at)), _) => {
                Noted { jurisdiction: Some(code), source: Some("self".to_owned()), noted_ts: Some(at), stated }
            }
            (None, Some((code, source, at))) => {
                Noted { jurisdiction: Some(code), source: Some(source), noted_ts: Some(at), stated: None }
            }
            (None, None) => Noted::default(),
        })
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
}
