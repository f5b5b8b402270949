//! Aliases in the directory: each is taken once in the whole deployment, and is the cell's in which it was made until it goes along with its room.
//!
//! The directory says which cell has an alias; to which room it leads, that cell says.

use domicile_core::{error::ErrorKind, locality::CellName};
use domicile_residency::{
    directory::{Body, Log},
    flow::{self, Rule},
};
use domicile_store::{Batch, table::directory_names};
use ruma::{OwnedRoomAliasId, OwnedRoomId, OwnedUserId, RoomAliasId};
use serde::{Deserialize, Serialize};

use super::{
    Names,
    allowances::Wanting,
    directory_log::{self, Held, Home},
    names::TRIES,
    own_cell::no_names,
};
use crate::{Error, Result, error::forbidden, federation::PeerError};

/// Where the decider takes wishes for aliases.
pub const TAKE_ALIASES: &str = "/_domicile/inner/v1/names/take_aliases";
/// Where it is told that one is free again, or another cell's.
pub const CHANGE_ALIAS: &str = "/_domicile/inner/v1/names/change_alias";
/// Where it is asked whose an alias is.
pub const FIND_ALIAS: &str = "/_domicile/inner/v1/names/find_alias";
/// Where a cell is told of an alias that comes along with a room.
pub const ADOPT_ALIAS: &str = "/_domicile/inner/v1/names/adopt_alias";

/// Aliases that are asked for at once.
const ALIASES: usize = 500;

/// Aliases that a cell wants for itself.
#[derive(Debug, Serialize, Deserialize)]
pub struct AliasWish {
    /// The aliases.
    pub aliases: Vec<OwnedRoomAliasId>,
}

/// Those of them that another cell has.
#[derive(Debug, Serialize, Deserialize)]
pub struct AliasesGiven {
    /// These the cell does not get.
    pub refused: Vec<OwnedRoomAliasId>,
}

/// An alias that is not to be the asking cell's any more.
#[derive(Debug, Serialize, Deserialize)]
pub struct AliasChange {
    /// The alias.
    pub alias: OwnedRoomAliasId,
    /// The cell that is to have it; nobody's, if none is named.
    pub to: Option<String>,
}

/// It was done.
#[derive(Debug, Serialize, Deserialize)]
pub struct AliasChanged {}

/// An alias that is looked for.
#[derive(Debug, Serialize, Deserialize)]
pub struct AliasQuestion {
    /// The alias.
    pub alias: OwnedRoomAliasId,
}

/// Which cell has it. None has it, or none that may be named: that is one answer.
#[derive(Debug, Serialize, Deserialize)]
pub struct AliasHome {
    /// The cell.
    pub cell: Option<String>,
}

/// An alias that comes along with a room.
#[derive(Debug, Serialize, Deserialize)]
pub struct AliasAdoption {
    /// The alias.
    pub alias: OwnedRoomAliasId,
    /// The room to which it leads.
    pub room_id: OwnedRoomId,
    /// Who made it, if that is known.
    pub creator: Option<OwnedUserId>,
}

impl Names {
    /// Takes aliases for this cell. Gives those that another has.
    pub async fn claim_aliases(&self, aliases: Vec<OwnedRoomAliasId>) -> Result<Vec<OwnedRoomAliasId>> {
        if self.own.decides() {
            return self.give_aliases(self.own.name(), &aliases).await;
        }
        let mut refused = Vec::new();
        for some in aliases.chunks(ALIASES) {
            let given: AliasesGiven = self.wish(TAKE_ALIASES, &AliasWish { aliases: some.to_vec() }).await?;
            refused.extend(given.refused);
        }
        Ok(refused)
    }

    /// A wish of another cell.
    pub async fn give_aliases_for(&self, cell: &CellName, wish: &AliasWish) -> Result<AliasesGiven> {
        self.check_decides()?;
        if wish.aliases.len() > ALIASES {
            return Err(ErrorKind::TooLarge.with(format!("At most {ALIASES} aliases are asked for at once.")).into());
        }
        if self.owes_own() {
            return Err(no_names());
        }
        // What a cell has already costs it nothing: it asks for all of them when it starts.
        let mut new = 0;
        for alias in &wish.aliases {
            let held = self.held('#', alias.alias()).await?;
            new += usize::from(!held.is_some_and(|(_, held)| is_of(&held, cell)));
        }
        self.check_rate(cell, Wanting::Take, new)?;
        Ok(AliasesGiven { refused: self.give_aliases(cell, &wish.aliases).await? })
    }

    async fn give_aliases(&self, cell: &CellName, aliases: &[OwnedRoomAliasId]) -> Result<Vec<OwnedRoomAliasId>> {
        let mut refused = Vec::new();
        for alias in aliases {
            let is_ours = *alias.server_name() == self.own.document().server_name;
            if !is_ours || self.take_name(cell, ('#', alias.alias())).await?.is_none() {
                refused.push(alias.clone());
            }
        }
        Ok(refused)
    }

    /// Makes an alias of this cell free, or another's.
    pub async fn change_alias(&self, alias: &RoomAliasId, to: Option<&CellName>) -> Result<()> {
        let change = AliasChange { alias: alias.to_owned(), to: to.map(|to| to.as_str().to_owned()) };
        if self.own.decides() {
            return self.change_here(self.own.name(), &change).await;
        }
        let AliasChanged {} = self.wish(CHANGE_ALIAS, &change).await?;
        Ok(())
    }

    /// A change that another cell wants.
    pub async fn change_alias_for(&self, cell: &CellName, change: &AliasChange) -> Result<AliasChanged> {
        self.check_decides()?;
        self.check_rate(cell, Wanting::Take, 1)?;
        self.change_here(cell, change).await?;
        Ok(AliasChanged {})
    }

    /// Whoever repeats it finds it done. Only the cell that has an alias changes it.
    async fn change_here(&self, cell: &CellName, change: &AliasChange) -> Result<()> {
        let to = change.to.as_deref().map(|to| {
            let known = CellName::parse(to).filter(|to| self.own.document().cells.contains_key(to));
            known.ok_or_else(|| forbidden("There is no such cell at work."))
        });
        let index = self.write_change(cell, &change.alias, to.transpose()?.as_ref()).await?;
        self.followers().commit(index).await
    }

    async fn write_change(&self, cell: &CellName, alias: &RoomAliasId, to: Option<&CellName>) -> Result<u64> {
        let deciding = self.followers().deciding().await?;
        for _ in 0..TRIES {
            let held = self.held('#', alias.alias()).await?;
            let Some((name, held)) = held else {
                return if to.is_none() { Ok(0) } else { Err(forbidden("The directory does not know the alias.")) };
            };
            if to.is_some_and(|to| is_of(&held, to)) {
                return Ok(held.index);
            }
            if !is_of(&held, cell) {
                return Err(forbidden("The alias is another cell's."));
            }
            let mut log = Log::open(self.log.tip().await?, deciding.term, self.own.key());
            let name_text = name.to_string();
            let entry = log.append(match to {
                None => Body::Free { name: name_text },
                Some(to) => Body::Hand { name: name_text, home: to.as_str().to_owned() },
            });
            let json = serde_json::to_string(&entry).map_err(Error::internal)?;
            let mut batch = Batch::new();
            directory_names::append(&mut batch, entry.index, &json);
            match to {
                None => directory_names::free(&mut batch, name.as_bytes(), &held.row),
                Some(to) => {
                    let row = directory_log::row(&[Home { home: to.as_str().to_owned(), authority: None }])?;
                    directory_names::transfer(&mut batch, name.as_bytes(), (&held.row, &row), entry.index);
                }
            }
            match self.store.write(batch).await {
                Ok(_) => return Ok(entry.index),
                // Another entry was written first.
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(no_names())
    }

    /// The cell that has an alias, as far as this one may know of it.
    pub async fn alias_home(&self, alias: &RoomAliasId) -> Result<Option<CellName>> {
        if self.own.decides() {
            return self.visible_alias(self.own.name(), alias).await;
        }
        match self.ask_any::<AliasHome>(FIND_ALIAS, &AliasQuestion { alias: alias.to_owned() }).await {
            Ok(home) => Ok(home.cell.as_deref().and_then(CellName::parse)),
            Err(_) if self.followers().holds() => self.visible_alias(self.own.name(), alias).await,
            Err(error) => Err(error),
        }
    }

    /// A question of another cell.
    pub async fn alias_home_for(&self, cell: &CellName, question: &AliasQuestion) -> Result<AliasHome> {
        self.check_holds()?;
        self.check_rate(cell, Wanting::LookUp, 1)?;
        let home = self.visible_alias(cell, &question.alias).await?;
        Ok(AliasHome { cell: home.map(|home| home.as_str().to_owned()) })
    }

    async fn visible_alias(&self, cell: &CellName, alias: &RoomAliasId) -> Result<Option<CellName>> {
        let document = self.own.document();
        let Some((_, held)) = self.held('#', alias.alias()).await? else { return Ok(None) };
        if held.index > self.followers().told_up_to().await? {
            return Ok(None);
        }
        let home = held.homes.last().and_then(|home| CellName::parse(&home.home));
        let home = home.and_then(|home| document.heir(&home).cloned());
        let regions = document.region_of(cell).zip(home.as_ref().and_then(|home| document.region_of(home)));
        let is_seen = regions.is_some_and(|(asking, home)| flow::between(document, asking, home).rule != Rule::Forbid);
        Ok(home.filter(|_| is_seen))
    }

    /// Gives an alias of this cell to another one, which has a copy of its room. One that does not take it does not get it, and the alias is free.
    pub async fn hand_alias(&self, adoption: &AliasAdoption, to: &CellName) -> Result<()> {
        match self.link().ask_json::<AliasChanged>(to, ADOPT_ALIAS, adoption).await {
            Ok(AliasChanged {}) => self.change_alias(&adoption.alias, Some(to)).await,
            Err(PeerError::Matrix { status, text, .. }) if (400..500).contains(&status) && status != 429 => {
                tracing::warn!(%text, cell = to.as_str(), "a cell does not take an alias together with its room");
                self.change_alias(&adoption.alias, None).await
            }
            Err(error) => Err(Error::internal(error)),
        }
    }
}

fn is_of(held: &Held, cell: &CellName) -> bool {
    held.homes.last().is_some_and(|home| home.home == cell.as_str())
}
