//! Those who may use the console: accounts of their own, which are no Matrix accounts, each with a role and the regions that it is for.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use domicile_core::{clock::Clock, error::ErrorKind, limits, region::Region};
use domicile_store::{
    Batch, Store,
    table::operators::{self as rows},
};
use serde::{Deserialize, Serialize};

use crate::{
    Error, Result,
    accounts::{Key, Limit, Passwords, RateLimits},
    error::{forbidden, not_found},
};

/// Longest name in bytes.
const NAME_BYTES: usize = 64;
/// Shortest password in bytes: whoever has it sees demands, dossiers and what is known about them.
const SHORTEST_PASSWORD: usize = 12;
/// What stands for all regions.
const ALL: &str = "*";

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// See.
    Reader,
    /// See, answer demands, write incidents and notes, and have an audit made.
    Editor,
}

impl Role {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Editor => "editor",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Reader, Self::Editor].into_iter().find(|role| role.word() == word)
    }
}

/// For which regions somebody is an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Regions {
    /// All of them.
    All,
    /// These.
    These(BTreeSet<Region>),
}

impl Regions {
    /// Of `*`, or of names with commas between them.
    pub fn read(text: &str) -> Result<Self> {
        if text.trim() == ALL {
            return Ok(Self::All);
        }
        let names = text.split(',').map(|name| Region::try_from(name.trim().to_owned()));
        let names: std::result::Result<BTreeSet<Region>, _> = names.collect();
        Ok(Self::These(names.map_err(|error| ErrorKind::InvalidParam.with(error.to_string()))?))
    }

    /// As [`Self::read`] takes it.
    pub fn text(&self) -> String {
        match self {
            Self::All => ALL.to_owned(),
            Self::These(names) => names.iter().map(Region::as_str).collect::<Vec<_>>().join(","),
        }
    }

    /// Whether a region is one of them.
    pub fn has(&self, region: &Region) -> bool {
        match self {
            Self::All => true,
            Self::These(names) => names.contains(region),
        }
    }
}

/// Somebody who may use the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorAccount {
    /// The name with which they sign in, and that stands under what they write.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// For which regions.
    pub regions: Regions,
    /// When they were added, in milliseconds since the epoch.
    pub created_ts: i64,
}

/// Keeps them.
pub struct Operators {
    store: Store,
    clock: Arc<dyn Clock>,
    passwords: Arc<Passwords>,
    rate_limits: Arc<RateLimits>,
}

impl Operators {
    /// Over a store, with passwords and limits like those of Matrix accounts.
    pub fn new(store: Store, clock: Arc<dyn Clock>, passwords: Arc<Passwords>, rate_limits: Arc<RateLimits>) -> Self {
        Self { store, clock, passwords, rate_limits }
    }

    /// Adds one.
    pub async fn add(&self, name: &str, password: String, role: Role, regions: Regions) -> Result<OperatorAccount> {
        let account = OperatorAccount { name: valid_name(name)?, role, regions, created_ts: self.clock.now_ms() };
        let row = rows::Operator {
            name: account.name.clone(),
            password_hash: self.hash(password).await?,
            role: role.word().to_owned(),
            regions: account.regions.text(),
            created_ts: account.created_ts,
        };
        let mut batch = Batch::new();
        rows::insert(&mut batch, row);
        match self.store.write(batch).await {
            Ok(_) => Ok(account),
            Err(error) if error.is_conflict() => {
                Err(ErrorKind::InvalidParam.with(format!("There is an operator called {name} already.")).into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Gives one another password.
    pub async fn set_password(&self, name: &str, password: String) -> Result<()> {
        let hash = self.hash(password).await?;
        let mut batch = Batch::new();
        rows::set_password(&mut batch, name, hash);
        self.written(batch, name).await
    }

    /// Removes one.
    pub async fn remove(&self, name: &str) -> Result<()> {
        let mut batch = Batch::new();
        rows::remove(&mut batch, name);
        self.written(batch, name).await
    }

    /// All of them, by name.
    pub async fn list(&self) -> Result<Vec<OperatorAccount>> {
        let found = self.store.read(|snapshot| async move { rows::all(&snapshot).await }).await?;
        found.into_iter().map(account).collect()
    }

    /// One of them, as the account is now.
    pub async fn get(&self, name: &str) -> Result<Option<OperatorAccount>> {
        self.row(name).await?.map(account).transpose()
    }

    /// Whose name and password these are. Nobody learns from it, or from the time that it takes, which names there are.
    pub async fn check(&self, name: &str, password: String, address: Option<IpAddr>) -> Result<OperatorAccount> {
        self.rate_limits.check_address(Limit::LoginAddress, address)?;
        // No Matrix id has a space in it: the bucket is no user's.
        self.rate_limits.check(Limit::LoginAccount, Key::name(&format!("operator {name}")))?;
        let row = self.row(name).await?;
        let hash = row.as_ref().map(|row| row.password_hash.clone());
        let right = self.passwords.verify(password, hash).await?;
        let row = row.filter(|_| right).ok_or_else(|| forbidden("The name or the password is wrong."))?;
        account(row)
    }

    async fn hash(&self, password: String) -> Result<String> {
        if password.len() < SHORTEST_PASSWORD {
            let what = format!("The password of an operator has at least {SHORTEST_PASSWORD} bytes.");
            return Err(ErrorKind::WeakPassword.with(what).into());
        }
        self.passwords.hash(password).await
    }

    async fn row(&self, name: &str) -> Result<Option<rows::Operator>> {
        if name.len() > limits::PASSWORD_BYTES || name.contains('\0') {
            return Ok(None);
        }
        let name = name.to_owned();
        Ok(self.store.read(move |snapshot| async move { rows::by_name(&snapshot, &name).await }).await?)
    }

    async fn written(&self, batch: Batch, name: &str) -> Result<()> {
        match self.store.write(batch).await {
            Err(error) if error.is_conflict() => Err(not_found(format!("There is no operator called {name}."))),
            other => Ok(other.map(drop)?),
        }
    }
}

fn account(row: rows::Operator) -> Result<OperatorAccount> {
    let role = Role::from_word(&row.role);
    let role = role.ok_or_else(|| Error::internal(format!("`{}` is no role of an operator", row.role)))?;
    Ok(OperatorAccount { name: row.name, role, regions: Regions::read(&row.regions)?, created_ts: row.created_ts })
}

fn valid_name(name: &str) -> Result<String> {
    let name = name.trim();
    let fits = (1..=NAME_BYTES).contains(&name.len()) && !name.chars().any(char::is_control);
    if fits {
        return Ok(name.to_owned());
    }
    Err(ErrorKind::InvalidParam.with(format!("An operator's name has 1 to {NAME_BYTES} bytes, on one line.")).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_all_or_named() {
        let region = |name: &str| Region::try_from(name.to_owned()).unwrap();
        assert!(Regions::read(" * ").unwrap().has(&region("eu")));
        let two = Regions::read("eu, ru").unwrap();
        assert!(two.has(&region("eu")) && !two.has(&region("cn")));
        assert_eq!(two.text(), "eu,ru");
        for bad in ["", "EU", "eu,,ru", "*,eu"] {
            assert!(Regions::read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_are_one_line() {
        assert_eq!(valid_name(" Ada L. ").unwrap(), "Ada L.");
        for bad in ["", " ", "a\nb", &"x".repeat(65)] {
            assert!(valid_name(bad).is_err(), "{bad:?}");
        }
    }
}
