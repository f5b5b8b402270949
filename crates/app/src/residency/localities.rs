//! What is this user's locality? It is asked here and nowhere else.

use std::sync::Arc;

use domicile_core::locality::{self, CellName, Destination, Locality};
use domicile_residency::{
    deployment::Profiles,
    flow::{self, Fence, Rule},
};
use ruma::{OwnedServerName, ServerName, UserId};

use super::{Documents, Names, NewRegions, OwnCell, Place, Placement, Tickets};
use crate::{Error, Result};

/// Knows where users are. A deployment of one cell has all of its own users here; of several, the tickets say.
pub struct Localities {
    server_name: OwnedServerName,
    cells: Option<Cells>,
}

/// What is not told although people share rooms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is withheld by a rule of its own")]
pub struct Withheld {
    /// Who has read what.
    pub receipts: bool,
    /// Who is typing.
    pub typing: bool,
    /// What people say of themselves beside whether they are there.
    pub status: bool,
    /// What people call their devices.
    pub device_names: bool,
}

/// What another cell or server is told of rooms in which it may have nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// That there are rooms.
    pub rooms: bool,
    /// Names, topics, pictures and aliases.
    pub names: bool,
    /// Which rooms a space names.
    pub children: bool,
}

/// This cell among others.
pub struct Cells {
    /// This cell.
    pub own: Arc<OwnCell>,
    /// Whose home is where.
    pub tickets: Arc<Tickets>,
    /// The directory.
    pub names: Arc<Names>,
    /// How full the cells of this region are.
    pub placement: Arc<Placement>,
    /// The documents that it takes.
    pub documents: Arc<Documents>,
    /// Of which regions people are told.
    pub new_regions: Arc<NewRegions>,
}

impl Localities {
    /// Of the deployment with a name; with `cells` if it has more than one.
    pub fn new(server_name: OwnedServerName, cells: Option<Cells>) -> Self {
        Self { server_name, cells }
    }

    /// The deployment's name.
    pub fn server_name(&self) -> &ServerName {
        &self.server_name
    }

    /// This cell among others, if there are others.
    pub fn cells(&self) -> Option<&Cells> {
        self.cells.as_ref()
    }

    /// The same where there must be others: that there are none is this server's own fault.
    pub fn among_cells(&self) -> Result<&Cells> {
        self.cells().ok_or_else(|| Error::internal("this server is no cell of a deployment"))
    }

    /// Where a user is.
    pub fn of(&self, user_id: &UserId) -> Locality {
        let cells = self.cells.as_ref();
        locality_of(user_id, &self.server_name, cells.map(|cells| (cells.own.name(), || cells.tickets.home(user_id))))
    }

    /// The other cell of the deployment in which a user has their home, if it is one.
    pub fn other_cell_of(&self, user_id: &UserId) -> Option<CellName> {
        match self.of(user_id) {
            Locality::Elsewhere(Destination::Cell(home)) => Some(home),
            Locality::Elsewhere(Destination::Server(_)) | Locality::Here | Locality::Unknown => None,
        }
    }

    /// Where the users of a server are, or those whom a name that stands for a cell is asked for.
    pub fn of_server(&self, server_name: &ServerName) -> Locality {
        locality_of_server(server_name, &self.server_name)
    }

    /// Whether a server name is the deployment's own.
    pub fn is_ours(&self, server_name: &ServerName) -> bool {
        server_name == self.server_name
    }

    /// Whether whoever is asked under a name, another server or a cell, may speak for a user now: it is their server, or their newest home.
    pub fn speaks_for(&self, origin: &ServerName, user_id: &UserId) -> bool {
        match self.of(user_id) {
            Locality::Elsewhere(destination) => destination.peer_name() == origin,
            Locality::Here | Locality::Unknown => false,
        }
    }

    /// The name under which whoever answers for a user is asked. That of somebody here is our own, which nobody is asked under.
    pub fn peer_of(&self, user_id: &UserId) -> OwnedServerName {
        match self.of(user_id) {
            Locality::Elsewhere(destination) => destination.peer_name().to_owned(),
            Locality::Here | Locality::Unknown => self.server_name.clone(),
        }
    }

    /// Whether two users have one home, as far as others can tell: one server, and within the deployment one cell.
    pub fn same_home(&self, one: &UserId, other: &UserId) -> bool {
        let known = self.of(one);
        one == other
            || (one.server_name() == other.server_name() && known != Locality::Unknown && known == self.of(other))
    }

    /// A server's name as people are told it: that of a cell is the deployment's.
    pub fn told<'n>(&'n self, peer: &'n ServerName) -> &'n ServerName {
        if locality::is_cell(peer) { &self.server_name } else { peer }
    }

    /// Other cells that may have a room, under the names by which they are asked.
    pub fn other_cells(&self) -> Vec<OwnedServerName> {
        let Some(cells) = &self.cells else { return Vec::new() };
        cells.own.others().map(|name| Destination::Cell(name.clone()).peer_name().to_owned()).collect()
    }

    /// What of this cell's people is not told a destination although they share rooms with somebody there.
    pub fn withheld(&self, destination: &Destination) -> Withheld {
        let Some(cells) = &self.cells else { return Withheld::default() };
        let document = cells.own.document();
        let policy = document.regions.get(cells.own.region());
        // Names of devices are of the vault: no other cell has them.
        let device_names = matches!(destination, Destination::Cell(_));
        match (flow::to_destination(document, cells.own.region(), destination).rule, policy) {
            (Rule::Allow, _) => Withheld { device_names, ..Withheld::default() },
            (Rule::EncryptedOnly, Some(policy)) => Withheld {
                receipts: !policy.crossing.receipts,
                typing: !policy.crossing.typing,
                status: true,
                device_names: true,
            },
            _ => Withheld { receipts: true, typing: true, status: true, device_names: true },
        }
    }

    /// Whether a room with a fence may have a copy where somebody is asked under a name. Other people's servers are in no region.
    pub fn is_within(&self, peer: &ServerName, fence: &Fence) -> bool {
        let document = self.cells.as_ref().map(|cells| cells.own.document());
        match Destination::of_peer(peer) {
            Destination::Cell(cell) => {
                document.and_then(|document| document.region_of(&cell)).is_some_and(|region| fence.has(region))
            }
            Destination::Server(_) => false,
        }
    }

    /// What of rooms another cell or server is told that asks for lists of them, as far as this cell's region goes. Each room's own events are asked, too.
    pub fn listed_to(&self, peer: &ServerName) -> Listed {
        let all = Listed { rooms: true, names: true, children: true };
        let Some(cells) = &self.cells else { return all };
        let document = cells.own.document();
        let rule = flow::to_destination(document, cells.own.region(), &Destination::of_peer(peer)).rule;
        match (rule, document.regions.get(cells.own.region())) {
            (Rule::Allow, _) => all,
            (Rule::EncryptedOnly, Some(policy)) => {
                Listed { rooms: true, names: policy.crossing.topics, children: policy.crossing.custom_state }
            }
            _ => Listed { rooms: false, names: false, children: false },
        }
    }

    /// Whether names and pictures of this cell's people are for other cells to find.
    pub fn shows_own_people(&self) -> bool {
        let policy = self.cells.as_ref().and_then(|cells| cells.own.document().regions.get(cells.own.region()));
        policy.is_some_and(|policy| policy.profiles == Profiles::InRooms)
    }

    /// Whether names and pictures of this cell's people are kept out of rooms. A deployment of one cell has no such rule.
    pub fn withholds_own_people(&self) -> bool {
        let policy = self.cells.as_ref().and_then(|cells| cells.own.document().regions.get(cells.own.region()));
        policy.is_some_and(|policy| policy.profiles == Profiles::Withheld)
    }

    /// Whether somebody's name and picture may stand in events, which are copied to wherever their rooms are.
    pub fn shows_profile(&self, user_id: &UserId) -> bool {
        let Some(cells) = &self.cells else { return true };
        let document = cells.own.document();
        let region = match self.of(user_id) {
            Locality::Here => Some(cells.own.region()),
            Locality::Elsewhere(Destination::Cell(cell)) => document.region_of(&cell),
            Locality::Elsewhere(Destination::Server(_)) => return true,
            Locality::Unknown => None,
        };
        let policy = region.and_then(|region| document.regions.get(region));
        policy.is_some_and(|policy| policy.profiles == Profiles::InRooms)
    }

    /// Finds out where users of the deployment are of whom this cell has not heard.
    pub async fn meet(&self, users: &[&UserId]) -> Result<()> {
        match &self.cells {
            Some(cells) => cells.names.meet(users).await,
            None => Ok(()),
        }
    }

    /// How many of some users this cell would have to ask the directory for.
    pub fn strangers(&self, users: &[&UserId]) -> usize {
        self.cells.as_ref().map_or(0, |cells| cells.names.unmet(users).len())
    }

    /// Where somebody is to make an account in place of here, if a cell of the region is emptier.
    pub async fn elsewhere(&self) -> Result<Option<Place>> {
        match &self.cells {
            Some(cells) => cells.placement.elsewhere().await,
            None => Ok(None),
        }
    }

    /// A name for a newcomer who names none, if this cell has one that the directory has given to it already.
    pub async fn reserved_name(&self) -> Result<Option<String>> {
        match &self.cells {
            Some(cells) => cells.names.reserved().await,
            None => Ok(None),
        }
    }

    /// Takes a name for an account that is to be made here.
    pub async fn claim(&self, user_id: &UserId) -> Result<()> {
        match &self.cells {
            Some(cells) => cells.names.claim(user_id).await,
            None => Ok(()),
        }
    }
}

/// Where a user is, of a deployment with a name. Where it has several cells, with the name of this one and what says which is the user's home.
pub(crate) fn locality_of(
    user_id: &UserId,
    ours: &ServerName,
    cells: Option<(&CellName, impl FnOnce() -> Option<CellName>)>,
) -> Locality {
    let server_name = user_id.server_name();
    // No user has such a name: it would lead to a cell by a way that nobody looked at.
    if locality::is_cell(server_name) {
        return Locality::Unknown;
    }
    let Some((own, home)) = cells.filter(|_| server_name == ours) else {
        return locality_of_server(server_name, ours);
    };
    match home() {
        None => Locality::Unknown,
        Some(home) if home == *own => Locality::Here,
        Some(home) => Locality::Elsewhere(Destination::Cell(home)),
    }
}

fn locality_of_server(server_name: &ServerName, ours: &ServerName) -> Locality {
    if server_name == ours { Locality::Here } else { Locality::Elsewhere(Destination::of_peer(server_name)) }
}
