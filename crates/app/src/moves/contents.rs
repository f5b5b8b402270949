//! What can be read of a vault on its way: its hash, what two cells compare of it, and what it names.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use domicile_store::{
    catalogue::{self, Holds},
    walk::carry,
};
use ruma::{OwnedRoomId, OwnedUserId, UserId};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use super::{
    bundle::{Bundle, no_row, unknown},
    lines::{Lines, Sums},
};
use crate::{Error, Result, accounts::sessions::TokenHash, sync::frontier::Frontier};

impl Bundle {
    /// The hash of all of it, in hexadecimal.
    pub fn digest(&self) -> Result<String> {
        let text = serde_json::to_vec(self).map_err(Error::internal)?;
        Ok(format!("{:x}", Sha256::digest(&text)))
    }

    /// Rows and hashes by class of data.
    pub fn sums(&self) -> Result<Sums> {
        Ok(self.lines()?.sums())
    }

    /// What of it is the same in every cell.
    pub(super) fn lines(&self) -> Result<Lines> {
        let mut lines: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
        for of_table in &self.tables {
            let table = catalogue::table(&of_table.table).ok_or_else(|| unknown(&of_table.table))?;
            let (lasting, of_class) = (carry::lasting(table), lines.entry(table.class.name()).or_default());
            for row in &of_table.rows {
                if row.len() != lasting.len() {
                    return Err(no_row(table));
                }
                let kept: Vec<&Json> =
                    row.iter().zip(&lasting).filter_map(|(cell, lasts)| lasts.then_some(cell)).collect();
                of_class.push(json!([table.name, kept]).to_string());
            }
        }
        Ok(Lines::of(lines))
    }

    /// The name that its owner shows.
    pub(super) fn display_name(&self) -> Option<String> {
        let rows = self.tables.iter().find(|rows| rows.table == "profile_fields")?;
        let row = rows.rows.iter().find(|row| row.get(1).and_then(|field| field.as_str()) == Some("displayname"))?;
        serde_json::from_str(row.get(2)?.as_str()?).ok()
    }

    /// The hashes of its owner's tokens.
    pub(super) fn token_hashes(&self) -> Vec<TokenHash> {
        let rows = self.tables.iter().filter(|rows| matches!(rows.table.as_str(), "access_tokens" | "refresh_tokens"));
        let hashes = rows.flat_map(|rows| &rows.rows).filter_map(|row| row.first()?.get("b")?.as_str());
        hashes.filter_map(|hash| BASE64_STANDARD_NO_PAD.decode(hash).ok()?.try_into().ok()).collect()
    }

    /// Those whom rows name beside their owner.
    pub(super) fn others(&self, user_id: &UserId) -> Result<Vec<OwnedUserId>> {
        let mut others = BTreeSet::new();
        for of_table in &self.tables {
            let table = catalogue::table(&of_table.table).ok_or_else(|| unknown(&of_table.table))?;
            for (index, column) in table.columns.iter().enumerate() {
                if column.holds == Holds::UserNum {
                    let ids = of_table.rows.iter().filter_map(|row| row.get(index)?.as_str());
                    others.extend(ids.filter(|id| *id != user_id).map(str::to_owned));
                }
            }
        }
        Ok(others.into_iter().filter_map(|id| OwnedUserId::try_from(id).ok()).collect())
    }

    /// The rooms that its owner is in: those that end with something.
    pub(super) fn joined(&self) -> Result<Vec<OwnedRoomId>> {
        let Some(frontiers) = &self.frontiers else { return Ok(Vec::new()) };
        let frontiers: Vec<Frontier> = serde_json::from_str(frontiers.get()).map_err(Error::internal)?;
        Ok(frontiers.into_iter().filter(|of| !of.ends.is_empty()).map(|of| of.room_id).collect())
    }
}
