//! How the other cells of a document are reached from this one, and with which keys.

use std::collections::BTreeSet;

use domicile_core::locality::CellName;
use domicile_egress::{
    Proxy,
    inner::{Identity, InnerPlace},
};
use domicile_residency::{
    deployment::{Cell, Deployment},
    flow,
};

use super::OwnCell;

/// By what other cells are reached.
#[derive(Clone, Debug, Default)]
pub struct InnerWays {
    /// The proxy; without one all are reached directly.
    pub proxy: Option<Proxy>,
    /// Those who are reached by it. None: all.
    pub cells: BTreeSet<CellName>,
    /// Whether other cells are the way where the direct line is blocked, and this one for others.
    pub relays: bool,
}

impl InnerWays {
    /// By what a cell is reached.
    fn to(&self, cell: &CellName) -> Option<Proxy> {
        self.proxy.clone().filter(|_| self.cells.is_empty() || self.cells.contains(cell))
    }
}

fn others<'d>(own: &OwnCell, document: &'d Deployment) -> impl Iterator<Item = (&'d CellName, &'d Cell)> {
    document.cells.iter().filter(move |(name, _)| *name != own.name())
}

/// The other cells.
pub(super) fn places(own: &OwnCell, document: &Deployment, ways: &InnerWays) -> Vec<InnerPlace> {
    let relays = |to: &CellName| {
        let may = |relay: &&CellName| flow::may_relay(document, relay, [own.name(), to]).is_ok();
        others(own, document).map(|(relay, _)| relay).filter(may).map(|relay| relay.as_str().to_owned()).collect()
    };
    let place = |(name, cell): (&CellName, &Cell)| InnerPlace {
        name: name.as_str().to_owned(),
        url: cell.inner_url.to_string(),
        spki: cell.key.to_spki(),
        proxy: ways.to(name),
        relays: if ways.relays { relays(name) } else { Vec::new() },
    };
    others(own, document).map(place).collect()
}

/// Their keys.
pub(super) fn keys(own: &OwnCell, document: &Deployment) -> Vec<Vec<u8>> {
    others(own, document).map(|(_, cell)| cell.key.to_spki()).collect()
}

/// This cell's key.
pub(super) fn identity(own: &OwnCell) -> Identity {
    Identity { pkcs8: own.key().to_pkcs8().to_vec(), spki: own.key().public().to_spki() }
}
