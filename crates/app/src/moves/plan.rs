//! What a move would do, without doing it.

use domicile_core::{
    ids::UserNum,
    locality::{CellName, Locality},
    region::Region,
};
use domicile_store::{
    catalogue,
    table::{media, portable, users},
    walk,
};
use ruma::UserId;
use serde::{Deserialize, Serialize};

use super::{Moves, progress::ForbiddenRoom};
use crate::{
    Error, Result,
    error::{forbidden, not_found},
    residency::Cells,
};

/// Where somebody is to move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A region, whichever of its cells that is.
    Region(String),
    /// A cell.
    Cell(String),
}

/// A room that would come along.
#[derive(Clone, Debug, Serialize)]
pub struct PlannedRoom {
    /// The room.
    pub room_id: String,
    /// People in it.
    pub members: usize,
    /// Of them, those whose account stays in this cell.
    pub stay_here: usize,
}

/// What a move would do.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// Who would move.
    pub user_id: String,
    /// The cell that they would leave, and its region.
    pub from: String,
    /// See there.
    pub from_region: String,
    /// The cell to which they would move, and its region.
    pub to: String,
    /// See there.
    pub to_region: String,
    /// Whether it is another region: then the person is told beforehand and may object.
    pub crosses: bool,
    /// Rows that would move, by class of data.
    pub rows: Vec<(String, i64)>,
    /// Files that would move.
    pub files: i64,
    /// Bytes of them.
    pub bytes: i64,
    /// Rooms of which the new home would have a copy.
    pub rooms: Vec<PlannedRoom>,
    /// Rooms that the person has left and not forgotten, whose past would come along.
    pub left_rooms: usize,
    /// Those of them whose past the rules keep here.
    pub kept_rooms: Vec<ForbiddenRoom>,
    /// Other people who are in these rooms: what they wrote would be copied along, as far as the rules let it.
    pub others: usize,
    /// Why the person's home cannot be there at all: they want nothing of theirs to be under that law.
    pub barred: Option<String>,
    /// Rooms into which the rules would not let the person from there.
    pub forbidden: Vec<ForbiddenRoom>,
}

impl Moves {
    /// The number of somebody whose home this cell is, and the cell that is meant.
    pub(super) async fn traveller(&self, user_id: &UserId, target: &Target) -> Result<(UserNum, CellName)> {
        self.deployment()?;
        match self.users.localities().of(user_id) {
            Locality::Here => {}
            Locality::Elsewhere(_) => {
                return Err(forbidden(format!("The home of {user_id} is another cell: order the move there.")));
            }
            Locality::Unknown => return Err(not_found(format!("There is no account {user_id} here."))),
        }
        let wanted = user_id.to_string();
        let row = self.store.read(move |snapshot| async move { users::by_id(&snapshot, &wanted).await }).await?;
        let row =
            row.filter(|row| row.is_local).ok_or_else(|| not_found(format!("There is no account {user_id} here.")))?;
        Ok((row.user_num, self.cell_of(target)?))
    }

    fn deployment(&self) -> Result<&Cells> {
        let cells = self.users.localities().cells();
        cells.ok_or_else(|| forbidden("This server is no cell of a deployment: there is nowhere to move to."))
    }

    /// What a move would do.
    pub async fn plan(&self, user_id: &UserId, target: &Target) -> Result<Plan> {
        let (user_num, to) = self.traveller(user_id, target).await?;
        let cells = self.deployment()?;
        let to_region = cells.own.document().region_of(&to).map(Region::as_str).unwrap_or_default().to_owned();
        let read = self.store.read(move |snapshot| async move {
            let rooms = portable::rooms_of(&snapshot, user_num).await?;
            Ok::<_, Error>((rooms, media::total_of(&snapshot, user_num).await?))
        });
        let (all, (files, bytes)) = read.await?;
        let mut rows: std::collections::BTreeMap<&'static str, i64> = std::collections::BTreeMap::new();
        for table in walk::carry::tables() {
            let count = walk::rows::count_of(&self.store, table, user_num, None).await?;
            *rows.entry(catalogue::Class::name(table.class)).or_default() += count;
        }
        let mut rooms = Vec::new();
        let mut others = std::collections::HashSet::new();
        for room in self.rules.coming_along(user_num, &all).await? {
            let view = self.turner.rooms.by_num(room.room_num).await?.view();
            let elsewhere: i64 = view.destinations.values().sum();
            let here = view.joined.saturating_sub(usize::try_from(elsewhere).unwrap_or(0));
            rooms.push(PlannedRoom {
                room_id: room.room_id.clone(),
                members: view.joined,
                stay_here: here.saturating_sub(1),
            });
            others.extend(view.joined_members().filter(|other| *other != user_num));
        }
        let forbidden = self.rules.forbidden(&to, user_num, &all).await?;
        let left = self.rules.left(&to, (user_num, user_id), &all).await?;
        let barred = self.rules.barred(&to, user_num).await?;
        Ok(Plan {
            user_id: user_id.to_string(),
            from: cells.own.name().as_str().to_owned(),
            from_region: cells.own.region().as_str().to_owned(),
            crosses: to_region != cells.own.region().as_str(),
            to: to.as_str().to_owned(),
            to_region,
            rows: rows.into_iter().map(|(class, count)| (class.to_owned(), count)).collect(),
            files,
            bytes,
            rooms,
            left_rooms: left.coming.len(),
            kept_rooms: left.kept,
            others: others.len(),
            barred,
            forbidden,
        })
    }

    /// The regions in which somebody's home cannot be, since they have named a law that holds there; each with that law.
    pub fn ruled_out(&self, never_in: &[String]) -> Vec<(String, String)> {
        self.rules.ruled_out(never_in)
    }

    /// The cell of a target: of a region, the one that has the name least of all in common with chance, which is the first.
    pub(super) fn cell_of(&self, target: &Target) -> Result<CellName> {
        let cells = self.deployment()?;
        let (own, document) = (&cells.own, cells.own.document());
        let found = match target {
            Target::Cell(name) => CellName::parse(name).filter(|name| document.cells.contains_key(name)),
            Target::Region(region) => {
                if region == own.region().as_str() {
                    let text =
                        format!("Their home is in the region {region} already; `--to-cell` moves them within it.");
                    return Err(forbidden(text));
                }
                document.cells.iter().find(|(_, cell)| cell.region.as_str() == region).map(|(name, _)| name.clone())
            }
        };
        let what = match target {
            Target::Cell(name) => format!("The deployment has no cell {name} at work."),
            Target::Region(region) => format!("The deployment has no cell at work in a region {region}."),
        };
        let to = found.ok_or_else(|| not_found(what))?;
        if to == *own.name() {
            return Err(forbidden("Their home is this cell already."));
        }
        Ok(to)
    }
}
