//! How the deployment is laid out, for people who look at it: regions, cells, and what may cross between regions.

use domicile_core::locality::{CellName, Destination};
use domicile_residency::{
    deployment::{Deployment, FrontDoor, Profiles},
    flow::{Outer, Rule},
};

use super::OwnCell;

/// The deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The number of the document.
    pub serial: u32,
    /// The cell that decides whose a name is.
    pub decider: String,
    /// Its regions.
    pub regions: Vec<RegionLayout>,
    /// What may be copied from one region's people into another region. What is not here may not.
    pub flows: Vec<FlowLayout>,
    /// Cells that are not at work any more, each with what became of it.
    pub gone: Vec<(String, &'static str)>,
}

/// A region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionLayout {
    /// Its name.
    pub name: String,
    /// The jurisdictions that it serves.
    pub jurisdictions: Vec<String>,
    /// Whether this cell is in it.
    pub is_own: bool,
    /// Whether its cells may hold outer keys and the directory.
    pub trusted: bool,
    /// Which cells take a password of its people.
    pub front_door: &'static str,
    /// Where names and pictures of its people are shown.
    pub profiles: &'static str,
    /// What its people share with other servers.
    pub outer: String,
    /// Its cells.
    pub cells: Vec<CellLayout>,
}

/// A cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellLayout {
    /// Its name.
    pub name: String,
    /// Whether it is this one.
    pub is_own: bool,
    /// Where clients find it.
    pub client_url: String,
    /// Whether it holds the directory.
    pub directory: bool,
    /// Regions whose traffic with other servers it carries.
    pub gateway_for: Vec<String>,
    /// Under what name it is told things.
    pub destination: Destination,
}

/// What may be copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowLayout {
    /// From the people of this region
    pub from: String,
    /// into this region
    pub to: String,
    /// by this rule.
    pub rule: &'static str,
    /// The operator's legal basis.
    pub basis: String,
}

impl Layout {
    /// As this cell's document has it.
    pub fn of(own: &OwnCell) -> Self {
        let document = own.document();
        let regions = document.regions.iter().map(|(region, policy)| RegionLayout {
            name: region.as_str().to_owned(),
            jurisdictions: policy.jurisdictions.clone(),
            is_own: region == own.region(),
            trusted: policy.trusted,
            front_door: match policy.front_door {
                FrontDoor::HomeOnly => "their home alone takes a password",
                FrontDoor::Any => "any cell takes a password",
            },
            profiles: match policy.profiles {
                Profiles::InRooms => "in rooms",
                Profiles::Withheld => "withheld from rooms that cross",
            },
            outer: match &policy.outer {
                Outer::All(shared) => rule(*shared).to_owned(),
                Outer::Only(servers) => format!("only with {}", servers.join(", ")),
            },
            cells: document
                .cells
                .iter()
                .filter(|(_, cell)| cell.region == *region)
                .map(|(name, _)| cell(document, own, name))
                .collect(),
        });
        let flows = document.flows.iter().map(|((from, to), flow)| FlowLayout {
            from: from.as_str().to_owned(),
            to: to.as_str().to_owned(),
            rule: rule(flow.rule),
            basis: flow.basis.clone(),
        });
        let retired = document.retired.keys().map(|name| (name.as_str().to_owned(), "retired"));
        let revoked = document.revoked.keys().map(|name| (name.as_str().to_owned(), "revoked"));
        Self {
            serial: document.serial,
            decider: document.decider.cell.as_str().to_owned(),
            regions: regions.collect(),
            flows: flows.collect(),
            gone: retired.chain(revoked).collect(),
        }
    }
}

fn cell(document: &Deployment, own: &OwnCell, name: &CellName) -> CellLayout {
    let found = document.cells.get(name);
    CellLayout {
        name: name.as_str().to_owned(),
        is_own: name == own.name(),
        client_url: found.map(|cell| cell.client_url.to_string()).unwrap_or_default(),
        directory: found.is_some_and(|cell| cell.directory),
        gateway_for: found
            .map(|cell| cell.gateway_for.iter().map(|region| region.as_str().to_owned()).collect())
            .unwrap_or_default(),
        destination: Destination::Cell(name.clone()),
    }
}

fn rule(rule: Rule) -> &'static str {
    match rule {
        Rule::Allow => "everything",
        Rule::EncryptedOnly => "encrypted messages only",
        Rule::Forbid => "nothing",
    }
}
