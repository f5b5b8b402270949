//! A vault on its way: all rows of a person, with what was sealed opened, so that it is sealed anew with another key where it goes. A person's key
//! never leaves its cell.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use bytes::Bytes;
use domicile_core::ids::{DeviceNum, UserNum};
use domicile_store::{
    Batch, Keystore, Store, Value,
    catalogue::{self, Holds, Table},
    numbers::Sequence,
    table::{arrivals, portable, users},
    walk::{
        carry::{self, Carried, Numbers},
        rows::Cell,
    },
};
use ruma::UserId;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json, value::RawValue};

use crate::{Error, Result, evidence::access_log, push};

/// With what each sealed column is sealed.
const SEALED: [(&str, &str); 4] = [
    ("access_log", "access_log.sealed"),
    ("devices", "devices.sealed"),
    ("media", "media.sealed"),
    ("pushers", "pushers.sealed"),
];

/// A room with which somebody has to do, and of which they need no copy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Acquaintance {
    /// The room.
    pub room_id: String,
    /// Its version.
    pub version: String,
    /// Their membership.
    pub membership: String,
    /// Whether they forgot it.
    pub forgotten: bool,
    /// What is shown of it to whom is invited or knocks, where that is not among the rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<String>,
}

/// The rows of a table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rows {
    /// The table.
    pub table: String,
    /// The rows, every column in the catalogue's order.
    pub rows: Vec<Vec<Json>>,
}

/// A vault.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Bundle {
    /// The rooms that rows name, with their versions.
    pub rooms: Vec<(String, String)>,
    /// Rooms of which nothing more is needed than that somebody has to do with them.
    pub acquaintances: Vec<Acquaintance>,
    /// Rows by table.
    pub tables: Vec<Rows>,
    /// Where messages of the inboxes stood in homes before this one: device, place here, place there. A client may still know no later one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<(String, i64, i64)>,
    /// What their clients may have been shown of rooms: a list of [`Frontier`](crate::sync::frontier::Frontier), which is read when one asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frontiers: Option<Box<RawValue>>,
    /// The end of the stream of this home when it was read.
    #[serde(default)]
    pub head: i64,
}

/// Reads and writes vaults.
pub struct Vaults {
    pub(super) store: Store,
    pub(super) keystore: Arc<Keystore>,
}

/// What was written of a bundle.
#[derive(Clone, Debug, Default)]
pub(super) struct Written {
    /// The devices, by id.
    pub(super) devices: HashMap<String, i64>,
    /// Rows that name what is not here.
    pub(super) left_out: u64,
    /// Files that have not come.
    pub(super) lost: Vec<String>,
    /// What has a place here.
    pub(super) placed: Bundle,
}

impl Vaults {
    /// All that goes with a person, without what rooms they have to do with.
    pub(super) async fn read(&self, user_num: UserNum) -> Result<Bundle> {
        let read = self.store.read(move |snapshot| async move {
            let load = carry::read(&snapshot, user_num).await?;
            Ok::<_, Error>((load, arrivals::earlier(&snapshot, user_num).await?))
        });
        let (load, earlier) = read.await?;
        let key = self.keystore.key_of(user_num).await?;
        let mut bundle = Bundle { rooms: load.rooms.into_iter().collect(), earlier, ..Bundle::default() };
        for Carried { table, rows } in load.tables {
            let context = SEALED.iter().find(|(name, _)| *name == table.name).map(|(_, context)| *context);
            let mut read = Vec::with_capacity(rows.len());
            for row in rows {
                let cells = row.into_iter().zip(table.columns).map(|(cell, column)| match (cell, context) {
                    (Cell::Bytes(sealed), Some(context)) if column.holds == Holds::Sealed && !sealed.is_empty() => {
                        Ok(Cell::Bytes(Bytes::from(key.open(context, &sealed)?)))
                    }
                    (cell, _) => Ok::<_, Error>(cell),
                });
                read.push(cells.map(|cell| Ok(json_of(&cell?))).collect::<Result<Vec<Json>>>()?);
            }
            bundle.tables.push(Rows { table: table.name.to_owned(), rows: read });
        }
        Ok(bundle)
    }

    /// Adds the rows of a vault to a batch, as they are here. `media` are the names of the files that have come.
    pub(super) async fn write(
        &self,
        batch: &mut Batch,
        (user_num, user_id): (UserNum, &UserId),
        rooms: HashMap<String, i64>,
        bundle: &Bundle,
    ) -> Result<Written> {
        let key = self.keystore.create(user_num).await?;
        let media = {
            let wanted = user_id.to_string();
            let read = self.store.read(move |snapshot| async move { arrivals::media_of(&snapshot, &wanted).await });
            read.await?.into_iter().collect::<HashMap<String, Bytes>>()
        };
        let mut numbers = self.numbers(user_num, user_id, rooms, bundle).await?;
        let mut written = Written { devices: numbers.devices.clone(), ..Written::default() };
        let position = batch.position();
        let mut log = access_log::Rechained::default();
        for of_table in &bundle.tables {
            let table = catalogue::table(&of_table.table).ok_or_else(|| unknown(&of_table.table))?;
            if !carry::tables().any(|known| known.name == table.name) {
                return Err(unknown(table.name));
            }
            let context = SEALED.iter().find(|(name, _)| *name == table.name).map(|(_, context)| *context);
            let mut placed = Vec::with_capacity(of_table.rows.len());
            for json in in_order(table, &of_table.rows) {
                let mut row = cells_of(table, json)?;
                if table.name == "users" {
                    users::take_over(batch, user_num, &values(&row));
                    placed.push(json.clone());
                    continue;
                }
                if table.name == "pushers" {
                    push::pushers::rehash(&self.keystore, table, &mut row)?;
                }
                for (cell, column) in row.iter_mut().zip(table.columns) {
                    if let (Holds::Sealed, Cell::Bytes(open), Some(context)) = (column.holds, &*cell, context)
                        && !open.is_empty()
                    {
                        *cell = Cell::Bytes(key.seal(context, open)?);
                    }
                }
                if table.name == "access_log" {
                    log.follow(table, &mut row);
                }
                if table.name == "media" && !files(table, &mut row, &media) {
                    written.left_out += 1;
                    written.lost.extend(media_id(table, &row));
                    continue;
                }
                let is_inbox = table.name == "to_device_messages";
                let place = if is_inbox { batch.position() } else { position.clone() };
                if !carry::write(batch, table, &row, &mut numbers, &place) {
                    written.left_out += 1;
                    continue;
                }
                if is_inbox {
                    inbox(batch, table, &row, (&numbers, bundle), &place);
                }
                placed.push(json.clone());
            }
            written.placed.tables.push(Rows { table: of_table.table.clone(), rows: placed });
        }
        Ok(written)
    }

    /// What the names of a bundle stand for here.
    async fn numbers(
        &self,
        user_num: UserNum,
        user_id: &UserId,
        rooms: HashMap<String, i64>,
        bundle: &Bundle,
    ) -> Result<Numbers> {
        let mut events: BTreeSet<Bytes> = BTreeSet::new();
        let mut others: BTreeSet<String> = BTreeSet::new();
        let mut devices: Vec<String> = Vec::new();
        let mut pushers = 0;
        for of_table in &bundle.tables {
            let table = catalogue::table(&of_table.table).ok_or_else(|| unknown(&of_table.table))?;
            pushers += if table.name == "pushers" { of_table.rows.len() } else { 0 };
            for json in &of_table.rows {
                for (cell, column) in cells_of(table, json)?.into_iter().zip(table.columns) {
                    match (column.holds, cell) {
                        (Holds::EventNum | Holds::Position, Cell::Bytes(id)) => drop(events.insert(id)),
                        (Holds::UserNum, Cell::Text(id)) if id != user_id.as_str() => drop(others.insert(id)),
                        (Holds::DeviceNum, Cell::Text(id)) if table.name == "devices" => devices.push(id),
                        _ => {}
                    }
                }
            }
        }
        let first = self.store.numbers_in_a_row(Sequence::Device, devices.len().max(1)).await?;
        let next_pusher = self.store.numbers_in_a_row(Sequence::Pusher, pushers.max(1)).await?;
        let ids: Vec<Bytes> = events.into_iter().collect();
        let read = self.store.read(move |snapshot| async move {
            let events = portable::event_nums(&snapshot, &ids).await?;
            let users = users::by_ids(&snapshot, others.iter().map(String::as_str)).await?;
            Ok::<_, Error>((events, users))
        });
        let (events, known) = read.await?;
        let mut users: HashMap<String, i64> = known.into_iter().map(|(num, id)| (id, num.0)).collect();
        users.insert(user_id.to_string(), user_num.0);
        let events = events.into_iter().map(|(id, (num, place))| (id, (num.0, place.map(|place| place.0))));
        Ok(Numbers {
            users,
            rooms,
            events: events.collect(),
            devices: (first..).zip(devices).map(|(num, id)| (id, num)).collect(),
            next_pusher,
        })
    }
}

/// Messages in the order of the inbox; all else as it came.
fn in_order<'r>(table: &Table, rows: &'r [Vec<Json>]) -> Vec<&'r Vec<Json>> {
    let mut rows: Vec<&Vec<Json>> = rows.iter().collect();
    let at = |name: &str| table.columns.iter().position(|column| column.name == name);
    match table.name {
        "to_device_messages" => {
            let (position, part) = (at("position"), at("part"));
            let number = |row: &[Json], at: Option<usize>| at.and_then(|at| row.get(at)?.as_i64()).unwrap_or_default();
            rows.sort_by_key(|row| (number(row, position), number(row, part)));
        }
        "access_log" => {
            let entry = at("entry");
            rows.sort_by_key(|row| entry.and_then(|at| row.get(at)?.as_i64()).unwrap_or_default());
        }
        _ => {}
    }
    rows
}

/// The file of which a row is.
fn media_id(table: &Table, row: &[Cell]) -> Option<String> {
    let at = table.columns.iter().position(|column| column.name == "media_id")?;
    match row.get(at)? {
        Cell::Text(media_id) => Some(media_id.clone()),
        _ => None,
    }
}

/// Names the file of a row as it is called here; `false` if it has not come.
fn files(table: &Table, row: &mut [Cell], media: &HashMap<String, Bytes>) -> bool {
    let hash = table.columns.iter().position(|column| column.name == "content_hash");
    let (Some(media_id), Some(hash)) = (media_id(table, row), hash) else { return false };
    match row.get_mut(hash) {
        // An upload that is still awaited.
        Some(Cell::Null) => true,
        Some(cell) => match media.get(&media_id) {
            Some(here) => {
                *cell = Cell::Bytes(here.clone());
                true
            }
            None => false,
        },
        None => false,
    }
}

/// Notes where a message stood before, in the home that its owner leaves and in those before.
fn inbox(batch: &mut Batch, table: &Table, row: &[Cell], (numbers, bundle): (&Numbers, &Bundle), place: &Value) {
    let at = |name: &str| table.columns.iter().position(|column| column.name == name);
    if let (Some(Cell::Text(device)), Some(Cell::Int(old))) =
        (at("device_num").and_then(|at| row.get(at)), at("position").and_then(|at| row.get(at)))
        && let Some(device_num) = numbers.devices.get(device)
    {
        let of_it = bundle.earlier.iter().filter(|(id, here, _)| id == device && here == old);
        for old in of_it.map(|(_, _, there)| *there).chain([*old]) {
            arrivals::put_inbox(batch, DeviceNum(*device_num), old, place.clone());
        }
    }
}

/// A cell as JSON: bytes are an object, so that they are no text.
fn json_of(cell: &Cell) -> Json {
    match cell {
        Cell::Null => Json::Null,
        Cell::Int(number) => Json::from(*number),
        Cell::Text(text) => Json::from(text.as_str()),
        Cell::Bytes(bytes) => json!({ "b": BASE64_STANDARD_NO_PAD.encode(bytes) }),
    }
}

/// A row of a table, if it can be one.
fn cells_of(table: &Table, row: &[Json]) -> Result<Vec<Cell>> {
    let wrong = || no_row(table);
    if row.len() != table.columns.len() {
        return Err(wrong());
    }
    row.iter()
        .map(|json| match json {
            Json::Null => Ok(Cell::Null),
            Json::Number(number) => number.as_i64().map(Cell::Int).ok_or_else(wrong),
            Json::String(text) => Ok(Cell::Text(text.clone())),
            Json::Object(object) => {
                let bytes = object.get("b").and_then(Json::as_str).ok_or_else(wrong)?;
                Ok(Cell::Bytes(Bytes::from(BASE64_STANDARD_NO_PAD.decode(bytes).map_err(|_| wrong())?)))
            }
            Json::Bool(_) | Json::Array(_) => Err(wrong()),
        })
        .collect()
}

fn values(row: &[Cell]) -> Vec<Value> {
    let value = |cell: &Cell| match cell {
        Cell::Null => Value::Null,
        Cell::Int(number) => Value::Int(*number),
        Cell::Text(text) => Value::Text(text.clone()),
        Cell::Bytes(bytes) => Value::Blob(bytes.clone()),
    };
    row.iter().map(value).collect()
}

pub(super) fn no_row(table: &Table) -> Error {
    Error::internal(format!("a row of {} that was brought is none", table.name))
}

pub(super) fn unknown(table: &str) -> Error {
    Error::internal(format!("rows of `{table:.40}` were brought, which do not go along with anybody"))
}
