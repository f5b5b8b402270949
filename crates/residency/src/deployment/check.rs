//! What must hold between the parts of a document.

use std::collections::{BTreeMap, BTreeSet};

use domicile_core::region::Region;

use super::{Cell, Deployment};
use crate::flow::{Outer, Rule};

/// Tells everything that does not fit together.
pub(super) fn check(deployment: &Deployment, wrong: &mut dyn FnMut(String)) {
    regions(deployment, wrong);
    cells(deployment, wrong);
    keys(deployment, wrong);
    decider(deployment, wrong);
    gone(deployment, wrong);
    outer_keys(deployment, wrong);
}

fn regions(deployment: &Deployment, wrong: &mut dyn FnMut(String)) {
    for (from, to) in deployment.flows.keys() {
        for region in [from, to] {
            if !deployment.regions.contains_key(region) {
                wrong(format!(
                    "[[flow]] from {} to {}: there is no [[region]] with code = \"{}\"",
                    from.as_str(),
                    to.as_str(),
                    region.as_str()
                ));
            }
        }
        if from == to {
            wrong(format!("[[flow]] from {} to itself: within a region everything is shared", from.as_str()));
        }
    }
    if deployment.cells.is_empty() {
        wrong("there is no [[cell]]: `domicile cell init` makes one".to_owned());
    }
}

fn cells(deployment: &Deployment, wrong: &mut dyn FnMut(String)) {
    let mut addresses = BTreeMap::new();
    for (name, cell) in &deployment.cells {
        let name = name.as_str();
        let Some(region) = deployment.regions.get(&cell.region) else {
            wrong(format!("[[cell]] {name}: there is no [[region]] with code = \"{}\"", cell.region.as_str()));
            continue;
        };
        if !region.trusted && (cell.directory || !cell.gateway_for.is_empty()) {
            wrong(format!(
                "[[cell]] {name}: the region {} is not `trusted`, so no cell of it may hold the directory or be a gateway",
                cell.region.as_str()
            ));
        }
        for served in &cell.gateway_for {
            if !deployment.regions.contains_key(served) {
                wrong(format!(
                    "[[cell]] {name}: `gateway_for` names the region {}, which is not there",
                    served.as_str()
                ));
            }
        }
        if let Some(other) = addresses.insert(cell.inner_url.as_str(), name) {
            wrong(format!("[[cell]] {name}: `inner_url` is that of the cell {other}"));
        }
    }
    gateways(deployment, wrong);
    let carried = |code| deployment.cells.values().any(|cell| cell.gateway_for.contains(code));
    let gateways = deployment.cells.values().any(|cell| !cell.gateway_for.is_empty());
    for (code, region) in deployment.regions.iter().filter(|(code, _)| gateways && !carried(*code)) {
        if region.outer != Outer::All(Rule::Forbid) {
            wrong(format!(
                "[[region]] {}: `outer` lets people share with other servers, and no cell has it in `gateway_for`",
                code.as_str()
            ));
        }
    }
}

/// Other servers know one address, and bring what is for any region to whichever gateway they find there: each carries all. It does not matter which has a
/// region from which nothing goes to other servers.
fn gateways(deployment: &Deployment, wrong: &mut dyn FnMut(String)) {
    let shares =
        |code: &Region| deployment.regions.get(code).is_some_and(|region| region.outer != Outer::All(Rule::Forbid));
    let carried =
        |cell: &Cell| -> BTreeSet<Region> { cell.gateway_for.iter().filter(|code| shares(code)).cloned().collect() };
    let mut gateways = deployment.cells.iter().filter(|(_, cell)| !cell.gateway_for.is_empty());
    let Some((first, cell)) = gateways.next() else { return };
    let all = carried(cell);
    for (name, _) in gateways.filter(|(_, cell)| carried(cell) != all) {
        wrong(format!(
            "[[cell]] {}: its `gateway_for` names other regions than that of the cell {}: other servers find one address, so each gateway has to carry all regions \
             whose `outer` is not \"forbid\"",
            name.as_str(),
            first.as_str()
        ));
    }
}

fn outer_keys(deployment: &Deployment, wrong: &mut dyn FnMut(String)) {
    for (id, outer) in &deployment.outer_keys {
        let Some(cell) = &outer.cell else { continue };
        if deployment.keys_of(cell).is_empty() {
            wrong(format!("[[outer_key]] {id}: nothing is said of a cell {}", cell.as_str()));
        }
        if deployment.is_revoked_outer(outer) && outer.expired_ts.is_none() {
            wrong(format!(
                "[[outer_key]] {id}: the cell {} is revoked, so other servers must not believe the key any more: write `expired_ts`, the milliseconds since 1970 \
                 until which it counts",
                cell.as_str()
            ));
        }
    }
}

/// A key is one cell's alone, and is in one place.
fn keys(deployment: &Deployment, wrong: &mut dyn FnMut(String)) {
    let cells = deployment.cells.iter().flat_map(|(name, cell)| {
        std::iter::once(&cell.key).chain(&cell.old_keys).map(move |key| (format!("[[cell]] {}", name.as_str()), key))
    });
    let retired = deployment.retired.iter();
    let retired = retired
        .flat_map(|(name, cell)| cell.keys.iter().map(move |key| (format!("[[retired]] {}", name.as_str()), key)));
    let revoked = deployment.revoked.iter();
    let revoked = revoked
        .flat_map(|(name, cell)| cell.keys.iter().map(move |key| (format!("[[revoked]] {}", name.as_str()), key)));
    let outer = deployment.outer_keys.iter().map(|(id, of)| (format!("[[outer_key]] {id}"), &of.key));
    let mut seen = BTreeMap::new();
    for (place, key) in cells.chain(retired).chain(revoked).chain(outer) {
        if let Some(other) = seen.insert(key.cell_key_id(), place.clone()) {
            wrong(format!("{place}: its key is that of {other}, too; each key has one place"));
        }
    }
}

fn decider(deployment: &Deployment, wrong: &mut dyn FnMut(String)) {
    let decider = &deployment.decider;
    match deployment.cells.get(&decider.cell) {
        None => wrong(format!("[directory]: there is no [[cell]] {}", decider.cell.as_str())),
        Some(cell) if !cell.directory => {
            wrong(format!("[directory]: the cell {} has no `directory = true`", decider.cell.as_str()));
        }
        Some(_) => {}
    }
    let mut latest = 0;
    for before in &decider.before {
        if before.term <= latest || before.term >= decider.term {
            wrong("[directory]: the terms in `before` go up, and are lower than `term`".to_owned());
        }
        latest = before.term;
        let known = deployment.cells.contains_key(&before.cell)
            || deployment.retired.contains_key(&before.cell)
            || deployment.revoked.contains_key(&before.cell);
        if !known {
            wrong(format!("[directory]: nothing says what became of the decider {}", before.cell.as_str()));
        }
    }
}

/// Cells that are no more: their names are not used again, and heirs lead to a cell at work.
fn gone(deployment: &Deployment, wrong: &mut dyn FnMut(String)) {
    for name in deployment.retired.keys().chain(deployment.revoked.keys()) {
        if deployment.cells.contains_key(name) {
            wrong(format!("[[cell]] {0}: a cell of this name is gone; its name is not used again", name.as_str()));
        }
    }
    for name in deployment.retired.keys().filter(|name| deployment.revoked.contains_key(name)) {
        wrong(format!("{} is both [[retired]] and [[revoked]]: keep [[revoked]]", name.as_str()));
    }
    let named = deployment.retired.keys();
    let named = named.chain(deployment.revoked.iter().filter(|(_, cell)| cell.heir.is_some()).map(|(name, _)| name));
    for name in named {
        if deployment.heir(name).is_none() {
            wrong(format!("{}: its `heir` leads to no [[cell]] at work", name.as_str()));
        }
    }
    for (name, cell) in &deployment.revoked {
        if cell.serial > deployment.serial {
            wrong(format!("[[revoked]] {}: its `serial` is higher than that of the document", name.as_str()));
        }
    }
}
