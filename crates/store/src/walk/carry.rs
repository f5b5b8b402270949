//! The rows of a person that go with them to another cell, as they are anywhere: numbers of this cell are replaced by what they stand for.
//!
//! Which tables go follows from the catalogue: those that belong to a person and do not say that their rows stay here.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use domicile_core::ids::{Position, RoomNum, UserNum};

use super::{rows::Cell, statements};
use crate::{
    Batch, Row, Snapshot, StoreError, Value,
    catalogue::{self, Column, Holds, Merge, Owner, Table},
    params,
    table::portable,
};

/// Events whose ids are looked up at once.
const AT_ONCE: usize = 5_000;

/// The rows of one table.
#[derive(Clone, Debug)]
pub struct Carried {
    /// The table.
    pub table: &'static Table,
    /// Its rows, every column in the catalogue's order.
    pub rows: Vec<Vec<Cell>>,
}

/// What is carried of a person.
#[derive(Clone, Debug, Default)]
pub struct Load {
    /// The rows, table by table in the order of copying.
    pub tables: Vec<Carried>,
    /// The rooms that the rows name: id and version.
    pub rooms: BTreeSet<(String, String)>,
}

/// The tables whose rows go with a person, in the order of copying. What waits for other cells is sent from here.
pub fn tables() -> impl Iterator<Item = &'static Table> {
    catalogue::tables().into_iter().filter(|table| {
        matches!(table.owner, Owner::User(_) | Owner::Through { .. })
            && table.merge != Merge::StaysHere
            && table.name != "outgoing_edus"
    })
}

/// Reads all that goes with a person, in one snapshot.
pub async fn read(snapshot: &Snapshot, user_num: UserNum) -> Result<Load, StoreError> {
    let devices = portable::devices(snapshot, user_num).await?;
    let mut load = Load::default();
    for table in tables() {
        let Some(sql) = statements::carried_of(table) else { continue };
        let found: Vec<Row> = snapshot.query(sql, &params![user_num]).await?;
        if found.is_empty() {
            continue;
        }
        let mut rows: Vec<Vec<Cell>> =
            found.into_iter().map(|row| row.columns.into_iter().map(Cell::from).collect()).collect();
        if table.name == "read_state" {
            places(snapshot, table, &mut rows).await?;
        }
        name(snapshot, table, &mut rows, &devices, &mut load.rooms).await?;
        load.tables.push(Carried { table, rows });
    }
    Ok(load)
}

/// The index of a column.
fn at(table: &Table, name: &str) -> usize {
    table.columns.iter().position(|column| column.name == name).unwrap_or(usize::MAX)
}

/// A place in a room's timeline is that of its last event up to there.
async fn places(snapshot: &Snapshot, table: &Table, rows: &mut Vec<Vec<Cell>>) -> Result<(), StoreError> {
    let (room, place) = (at(table, "room_num"), at(table, "read_position"));
    for row in rows.iter_mut() {
        let (Some(Cell::Int(room_num)), Some(Cell::Int(position))) = (row.get(room), row.get(place)) else { continue };
        let event = portable::event_at(snapshot, RoomNum(*room_num), Position(*position)).await?;
        row[place] = event.map_or(Cell::Null, Cell::Bytes);
    }
    rows.retain(|row| !matches!(row.get(place), Some(Cell::Null) | None));
    Ok(())
}

/// Replaces numbers by what they stand for. Rows about what is not here any more are left out.
async fn name(
    snapshot: &Snapshot,
    table: &Table,
    rows: &mut Vec<Vec<Cell>>,
    devices: &HashMap<i64, String>,
    named: &mut BTreeSet<(String, String)>,
) -> Result<(), StoreError> {
    for (index, column) in table.columns.iter().enumerate() {
        let nums: BTreeSet<i64> = rows
            .iter()
            .filter_map(|row| match row.get(index) {
                Some(Cell::Int(num)) => Some(*num),
                _ => None,
            })
            .collect();
        let nums: Vec<i64> = nums.into_iter().collect();
        let mut names: HashMap<i64, Cell> = HashMap::new();
        match column.holds {
            Holds::UserNum => {
                let found = portable::user_ids(snapshot, &nums).await?;
                names.extend(found.into_iter().map(|(num, id)| (num, Cell::Text(id))));
            }
            Holds::RoomNum => {
                // Account data of no room.
                names.insert(0, Cell::Text(String::new()));
                for (num, (id, version)) in portable::room_ids(snapshot, &nums).await? {
                    names.insert(num, Cell::Text(id.clone()));
                    named.insert((id, version));
                }
            }
            Holds::EventNum => {
                for chunk in nums.chunks(AT_ONCE) {
                    let found = portable::event_ids(snapshot, chunk).await?;
                    names.extend(found.into_iter().map(|(num, id)| (num, Cell::Bytes(id))));
                }
            }
            Holds::DeviceNum => {
                names.extend(devices.iter().map(|(num, id)| (*num, Cell::Text(id.clone()))));
            }
            _ => continue,
        }
        rows.retain_mut(|row| match row.get_mut(index) {
            Some(cell @ Cell::Int(_)) => {
                let Cell::Int(num) = *cell else { return false };
                match names.get(&num) {
                    Some(name) => {
                        *cell = name.clone();
                        true
                    }
                    None => false,
                }
            }
            _ => true,
        });
    }
    Ok(())
}

/// What stands for the names of carried rows here.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    /// Users.
    pub users: HashMap<String, i64>,
    /// Rooms.
    pub rooms: HashMap<String, i64>,
    /// Events, with their places in their timelines.
    pub events: HashMap<Bytes, (i64, Option<i64>)>,
    /// The person's devices.
    pub devices: HashMap<String, i64>,
    /// The next number for a pusher; each takes one.
    pub next_pusher: i64,
}

/// Adds a carried row to a batch; `false` if it names what is not here. `position` is one of the batch's for what says when it changed.
/// The `users` row is no such row: the person has one here already.
pub fn write(batch: &mut Batch, table: &Table, row: &[Cell], numbers: &mut Numbers, position: &Value) -> bool {
    let Some(sql) = statements::insert_of(table) else { return false };
    let mut values = Vec::with_capacity(row.len());
    let mut event_place = None;
    for (cell, column) in row.iter().zip(table.columns) {
        let value = match (column.holds, cell) {
            (_, Cell::Null) if column.name != "event_position" => Some(Value::Null),
            (Holds::UserNum, Cell::Text(id)) => numbers.users.get(id).copied().map(Value::Int),
            (Holds::RoomNum, Cell::Text(id)) if id.is_empty() => Some(Value::Int(0)),
            (Holds::RoomNum, Cell::Text(id)) => numbers.rooms.get(id).copied().map(Value::Int),
            (Holds::DeviceNum, Cell::Text(id)) => numbers.devices.get(id).copied().map(Value::Int),
            (Holds::EventNum, Cell::Bytes(id)) => numbers.events.get(id).map(|(num, place)| {
                event_place = *place;
                Value::Int(*num)
            }),
            // How far somebody has read by writing: the place of an event.
            (Holds::Position, Cell::Bytes(id)) => numbers.events.get(id).and_then(|(_, place)| *place).map(Value::Int),
            (Holds::Position, _) if column.name == "event_position" => event_place.map(Value::Int),
            (Holds::Position, _) => Some(position.clone()),
            (Holds::OwnNum, _) if column.name == "pusher_num" => {
                numbers.next_pusher += 1;
                Some(Value::Int(numbers.next_pusher - 1))
            }
            (_, Cell::Int(number)) => Some(Value::Int(*number)),
            (_, Cell::Text(text)) => Some(Value::Text(text.clone())),
            (_, Cell::Bytes(bytes)) => Some(Value::Blob(bytes.clone())),
            (_, Cell::Null) => None,
        };
        let Some(value) = value else { return false };
        values.push(value);
    }
    if values.len() != table.columns.len() {
        return false;
    }
    batch.push(sql, values);
    true
}

/// Columns that follow from a key of the cell's, and so are others elsewhere.
const OWN: [(&str, &str); 2] = [("access_log", "hash"), ("pushers", "key_hash")];

/// Of each column of a table, whether what stands in it is the same wherever the row is: no place in a stream, no number of its own, and nothing that
/// follows from a key.
pub fn lasting(table: &Table) -> Vec<bool> {
    table.columns.iter().map(|column| is_lasting(table, column)).collect()
}

fn is_lasting(table: &Table, column: &Column) -> bool {
    !matches!(column.holds, Holds::Position | Holds::OwnNum | Holds::Blob) && !OWN.contains(&(table.name, column.name))
}
