//! What a deployment document says.

use std::collections::{BTreeMap, BTreeSet};

use domicile_core::{locality::CellName, region::Region};
use ruma::OwnedServerName;
use url::Url;

use super::PublicKey;
use crate::flow::{CrossingSettings, Flow, Outer};

/// A deployment document that was read and found to be right.
#[derive(Clone, Debug, PartialEq)]
pub struct Deployment {
    /// Its number; a later document has a higher one.
    pub serial: u32,
    /// The name that all cells share.
    pub server_name: OwnedServerName,
    /// Who decides whose a name is.
    pub decider: Decider,
    /// What holds in each region.
    pub regions: BTreeMap<Region, RegionPolicy>,
    /// What may be copied from the first region's users into the second region. A missing pair is forbidden.
    pub flows: BTreeMap<(Region, Region), Flow>,
    /// The cells at work.
    pub cells: BTreeMap<CellName, Cell>,
    /// Cells that were emptied and shut down.
    pub retired: BTreeMap<CellName, Retired>,
    /// Cells that are believed no more.
    pub revoked: BTreeMap<CellName, Revoked>,
    /// Keys that speak, or spoke, for the deployment to other servers, by their ids: what was signed with one is the deployment's own.
    pub outer_keys: BTreeMap<String, OuterKey>,
}

/// A key that speaks, or spoke, for the deployment to other servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OuterKey {
    /// The key.
    pub key: PublicKey,
    /// The gateway that has its secret half, if that is said.
    pub cell: Option<CellName>,
    /// Since when nothing is signed with it any more, in milliseconds since the epoch; none while something is.
    pub expired_ts: Option<i64>,
}

/// Which cell decides whose a name is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decider {
    /// The cell.
    pub cell: CellName,
    /// Its term. Another decider has a higher one.
    pub term: u32,
    /// Those of earlier terms.
    pub before: Vec<Term>,
}

/// A decider of an earlier time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// The term.
    pub term: u32,
    /// The cell that decided.
    pub cell: CellName,
}

/// What holds in a region.
#[derive(Clone, Debug, PartialEq)]
pub struct RegionPolicy {
    /// The jurisdictions that it serves, by ISO 3166 code, or a union's.
    pub jurisdictions: Vec<String>,
    /// Whether its cells may hold outer keys and the directory.
    pub trusted: bool,
    /// Which cells take a password.
    pub front_door: FrontDoor,
    /// The name under which its people sign in, if it has one of its own: clients find one of its cells by it, and failed logins tell it.
    pub provider: Option<String>,
    /// Where names and pictures of its people are shown.
    pub profiles: Profiles,
    /// What crosses to other people's servers.
    pub outer: Outer,
    /// What crosses beside encrypted messages where only these may.
    pub crossing: CrossingSettings,
}

/// Which cells take a password of a region's people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrontDoor {
    /// Their home alone.
    HomeOnly,
    /// Any.
    Any,
}

/// Where names and pictures of a region's people are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profiles {
    /// In the rooms in which they are.
    InRooms,
    /// Not in rooms that cross.
    Withheld,
}

/// A cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// The region in which it stands.
    pub region: Region,
    /// Where its people's clients find it.
    pub client_url: Url,
    /// Where other cells find it.
    pub inner_url: Url,
    /// The key with which it signs.
    pub key: PublicKey,
    /// Keys with which it signed before. What it signed then counts; requests do not.
    pub old_keys: Vec<PublicKey>,
    /// Regions whose traffic with other servers it carries.
    pub gateway_for: BTreeSet<Region>,
    /// Whether it holds the directory.
    pub directory: bool,
}

/// A cell that was emptied and shut down.
#[derive(Clone, Debug, PartialEq)]
pub struct Retired {
    /// The keys with which it signed.
    pub keys: Vec<PublicKey>,
    /// The cell that answers for what it left.
    pub heir: CellName,
}

/// A cell that is believed no more.
#[derive(Clone, Debug, PartialEq)]
pub struct Revoked {
    /// The keys that do not count.
    pub keys: Vec<PublicKey>,
    /// The number of the document that revoked it. Cells with an older one may still believe it.
    pub serial: u32,
    /// The cell that answers for what it left, if there is one.
    pub heir: Option<CellName>,
    /// The region in which it stood, by whose rules goes what its people had said. Nothing of it goes anywhere if that is not named.
    pub region: Option<Region>,
}

/// What a signature with a cell's key is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStanding {
    /// The cell signs with it.
    Current,
    /// It signed with it before: events count, requests do not.
    Old,
    /// The cell is believed no more: what it signed counts only if somebody else had it before.
    Revoked,
}

/// A cell's key, found by its id.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CellKey<'d> {
    /// Whose it is.
    pub cell: &'d CellName,
    /// The key.
    pub key: &'d PublicKey,
    /// What it is worth.
    pub standing: KeyStanding,
}

impl Deployment {
    /// A cell's key by its id. No two cells have the same key.
    pub fn cell_key(&self, key_id: &str) -> Option<CellKey<'_>> {
        let current = self.cells.iter().map(|(cell, of)| (cell, &of.key, KeyStanding::Current));
        let old = self.cells.iter().flat_map(|(cell, of)| of.old_keys.iter().map(move |key| (cell, key)));
        let retired = self.retired.iter().flat_map(|(cell, of)| of.keys.iter().map(move |key| (cell, key)));
        let old = old.chain(retired).map(|(cell, key)| (cell, key, KeyStanding::Old));
        let revoked = self.revoked.iter().flat_map(|(cell, of)| of.keys.iter().map(move |key| (cell, key)));
        let revoked = revoked.map(|(cell, key)| (cell, key, KeyStanding::Revoked));
        // What is revoked counts as that, wherever else it should stand.
        let mut all = revoked.chain(current).chain(old);
        all.find(|(_, key, _)| key.cell_key_id() == key_id).map(|(cell, key, standing)| CellKey { cell, key, standing })
    }

    /// All keys of a cell, wherever it stands; none if nothing is said of it.
    pub fn keys_of(&self, name: &CellName) -> Vec<&PublicKey> {
        let at_work =
            self.cells.get(name).into_iter().flat_map(|cell| std::iter::once(&cell.key).chain(&cell.old_keys));
        let retired = self.retired.get(name).into_iter().flat_map(|cell| &cell.keys);
        let revoked = self.revoked.get(name).into_iter().flat_map(|cell| &cell.keys);
        at_work.chain(retired).chain(revoked).collect()
    }

    /// The keys with which the decider of a term signs, or signed; none of a decider that is revoked.
    pub fn decider_keys(&self, term: u32) -> Vec<&PublicKey> {
        let earlier = || self.decider.before.iter().find(|before| before.term == term).map(|before| &before.cell);
        let cell = if term == self.decider.term { Some(&self.decider.cell) } else { earlier() };
        let Some(cell) = cell else { return Vec::new() };
        match (self.cells.get(cell), self.retired.get(cell)) {
            (Some(cell), _) => std::iter::once(&cell.key).chain(&cell.old_keys).collect(),
            (None, Some(retired)) => retired.keys.iter().collect(),
            (None, None) => Vec::new(),
        }
    }

    /// The keys with which tickets of a term are signed: those of its decider, and those of the cells that hold the directory now, which answer
    /// while the decider cannot. None if that decider is revoked.
    pub fn ticket_keys(&self, term: u32) -> Vec<&PublicKey> {
        let mut keys = self.decider_keys(term);
        if !keys.is_empty() {
            let holders = self.cells.values().filter(|cell| cell.directory);
            keys.extend(holders.flat_map(|cell| std::iter::once(&cell.key).chain(&cell.old_keys)));
        }
        keys
    }

    /// Whether a term was that of a decider that was revoked since.
    pub fn is_revoked_decider(&self, term: u32) -> bool {
        let before = self.decider.before.iter().find(|before| before.term == term);
        before.is_some_and(|before| self.revoked.contains_key(&before.cell))
    }

    /// The keys for other servers that a gateway signs with now: those of which it is said, or, where it is the only gateway, that are nobody else's.
    pub fn outer_keys_of(&self, gateway: &CellName) -> impl Iterator<Item = &String> {
        let is_only = self.is_gateway(gateway) && self.cells.keys().filter(|cell| self.is_gateway(cell)).count() == 1;
        let in_use = self.outer_keys.iter().filter(|(_, outer)| outer.expired_ts.is_none());
        let its = in_use.filter(move |(_, outer)| match &outer.cell {
            Some(cell) => cell == gateway,
            None => is_only,
        });
        its.map(|(id, _)| id)
    }

    /// Whether a key for other servers was that of a gateway that was revoked.
    pub fn is_revoked_outer(&self, outer: &OuterKey) -> bool {
        outer.cell.as_ref().is_some_and(|cell| self.revoked.contains_key(cell))
    }

    /// The cells that hold the directory: the decider, and those that follow its log.
    pub fn directory_cells(&self) -> impl Iterator<Item = &CellName> {
        self.cells.iter().filter(|(_, cell)| cell.directory).map(|(name, _)| name)
    }

    /// The decider of the term before, if it is at work and is another cell now.
    pub fn decider_before(&self) -> Option<&CellName> {
        let before = &self.decider.before.last()?.cell;
        (*before != self.decider.cell && self.cells.contains_key(before)).then_some(before)
    }

    /// The region of a cell at work.
    pub fn region_of(&self, cell: &CellName) -> Option<&Region> {
        self.cells.get(cell).map(|cell| &cell.region)
    }

    /// The region in which a cell stands, or stood until it was revoked.
    pub fn region_once_of(&self, cell: &CellName) -> Option<&Region> {
        self.region_of(cell).or_else(|| self.revoked.get(cell)?.region.as_ref())
    }

    /// The same without what a cell that was revoked leaves to another: that is no home of its people.
    pub fn successor<'d>(&'d self, cell: &'d CellName) -> Option<&'d CellName> {
        let mut cell = cell;
        for _ in 0..=self.retired.len() {
            if self.cells.contains_key(cell) {
                return Some(cell);
            }
            cell = &self.retired.get(cell)?.heir;
        }
        None
    }

    /// The cell that answers for another's people now: itself, or the last of its heirs that is at work.
    pub fn heir<'d>(&'d self, cell: &'d CellName) -> Option<&'d CellName> {
        let mut cell = cell;
        // A chain that is longer than the list of those who left goes round.
        for _ in 0..=self.retired.len() + self.revoked.len() {
            if self.cells.contains_key(cell) {
                return Some(cell);
            }
            let retired = self.retired.get(cell).map(|retired| &retired.heir);
            cell = retired.or_else(|| self.revoked.get(cell)?.heir.as_ref())?;
        }
        None
    }
}
