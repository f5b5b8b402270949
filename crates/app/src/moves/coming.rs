//! Who is on the way here, as this cell's operator sees it: how many, from where and how far. The cell that they leave knows who and why.

use domicile_core::locality::CellName;
use domicile_store::table::arrivals;
use serde::Serialize;

use super::{
    Moves,
    arrive::{COMING, CONFIRMED_STATE, HERE, SETTLED},
};
use crate::Result;

/// Arrivals that are shown one by one at most.
const MOST: i64 = 1_000;

/// How far somebody is who comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coming {
    /// Copies of rooms, files and the vault are being brought.
    Brought,
    /// The vault is here, sealed, and waits for the directory to say that this is the home.
    Waits,
    /// They are at home here. What reached the cell that they left is still handed over.
    Here,
    /// Nothing more comes.
    Settled,
}

impl Coming {
    /// All of them, in their order.
    pub const ALL: [Self; 4] = [Self::Brought, Self::Waits, Self::Here, Self::Settled];

    /// Its word in the database and on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Brought => COMING,
            Self::Waits => CONFIRMED_STATE,
            Self::Here => HERE,
            Self::Settled => SETTLED,
        }
    }

    /// The state of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// Whether their home is here.
    pub fn is_home(self) -> bool {
        matches!(self, Self::Here | Self::Settled)
    }
}

/// People who come from one cell and are equally far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CountedArrivals {
    /// The cell that they leave.
    pub from: String,
    /// Its region, if the document still has the cell.
    pub from_region: Option<String>,
    /// How far they are.
    pub state: String,
    /// How many there are.
    pub count: i64,
    /// When the first of them got so far, in milliseconds since the epoch.
    pub first_ts: i64,
    /// When the last of them did.
    pub last_ts: i64,
}

/// Somebody who comes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Arriving {
    /// The move's name, by which the cell that they leave knows who it is.
    pub move_id: String,
    /// The cell that they leave.
    pub from: String,
    /// Its region, if the document still has the cell.
    pub from_region: Option<String>,
    /// How far it is.
    pub state: String,
    /// Since when, in milliseconds since the epoch.
    pub since_ts: i64,
    /// Files of theirs that are here already, until they are at home.
    pub files: i64,
}

impl Moves {
    /// How many people have come or are coming, by the cell that they leave and how far they are. Whoever has come more than once counts for the
    /// last time.
    pub async fn arrival_counts(&self) -> Result<Vec<CountedArrivals>> {
        let counts = self.store.read(|snapshot| async move { arrivals::counts(&snapshot).await }).await?;
        let told = counts.into_iter().map(|(from, state, count, first_ts, last_ts)| CountedArrivals {
            from_region: self.region_of(&from),
            from,
            state,
            count,
            first_ts,
            last_ts,
        });
        Ok(told.collect())
    }

    /// People who are coming or have just come, those first who have stood where they are for longest; at most `limit`.
    pub async fn arriving(&self, limit: usize) -> Result<Vec<Arriving>> {
        let limit = i64::try_from(limit).unwrap_or(MOST).min(MOST);
        let states = [COMING, CONFIRMED_STATE, HERE];
        let read = self
            .store
            .read(move |snapshot| async move { arrivals::under_way(&snapshot, &states, limit).await })
            .await?;
        let told = read.into_iter().map(|row| Arriving {
            from_region: self.region_of(&row.origin),
            move_id: row.move_id,
            from: row.origin,
            state: row.state,
            since_ts: row.changed_ts,
            files: row.files,
        });
        Ok(told.collect())
    }

    /// The region of a cell, if the document has it.
    pub(super) fn region_of(&self, cell: &str) -> Option<String> {
        let document = self.users.localities().cells()?.own.document();
        Some(document.region_of(&CellName::parse(cell)?)?.as_str().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_has_a_word_of_its_own() {
        for state in Coming::ALL {
            assert_eq!(Coming::parse(state.word()), Some(state));
        }
        assert_eq!(Coming::parse("announced"), None);
    }
}
