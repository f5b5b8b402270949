//! Rows as the person reads them: numbers of the cell's own become Matrix ids or are left out, what is sealed is opened.

use std::collections::HashMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use domicile_core::ids::{EventNum, RoomNum, UserNum};
use domicile_store::{
    Keystore, Store, StoreError,
    catalogue::{Column, Holds, Table},
    event_id,
    table::{events, rooms},
    walk::rows::{Cell, Whole, hex},
};
use serde_json::{Map, Value};

use crate::{Error, Result, accounts::Users};

/// Rooms whose ids are kept.
const ROOMS: usize = 10_000;

/// Gives numbers their names.
pub(super) struct Names<'a> {
    store: &'a Store,
    users: &'a Users,
    keystore: &'a Keystore,
    rooms: HashMap<i64, Option<String>>,
}

impl<'a> Names<'a> {
    pub(super) fn new(store: &'a Store, users: &'a Users, keystore: &'a Keystore) -> Self {
        Self { store, users, keystore, rooms: HashMap::new() }
    }

    /// Rows as lines of JSON.
    pub(super) async fn lines(&mut self, table: &Table, owner: UserNum, rows: &[Whole]) -> Result<Vec<u8>> {
        let events = self.events(table, rows).await?;
        let mut lines = Vec::new();
        for row in rows {
            let mut object = Map::new();
            for (column, cell) in table.columns.iter().zip(&row.cells) {
                if let Some(value) = self.value(table, column, owner, cell, &events).await? {
                    object.insert(column.name.to_owned(), value);
                }
            }
            serde_json::to_writer(&mut lines, &object).map_err(Error::internal)?;
            lines.push(b'\n');
        }
        Ok(lines)
    }

    async fn value(
        &mut self,
        table: &Table,
        column: &Column,
        owner: UserNum,
        cell: &Cell,
        events: &HashMap<i64, String>,
    ) -> Result<Option<Value>> {
        Ok(match (column.holds, cell) {
            (_, Cell::Null) => Some(Value::Null),
            (Holds::UserNum, Cell::Int(number)) => {
                self.users.id(UserNum(*number)).await.ok().map(|id| id.to_string().into())
            }
            (Holds::RoomNum, Cell::Int(number)) => self.room(*number).await?.map(Value::String),
            (Holds::EventNum, Cell::Int(number)) => events.get(number).cloned().map(Value::String),
            // Numbers of this cell's own say nothing elsewhere.
            (Holds::DeviceNum | Holds::KeyNum | Holds::NodeNum | Holds::OwnNum | Holds::Position, _) => None,
            (Holds::EventId, Cell::Bytes(bytes)) => event_id::from_bytes(bytes).ok().map(|id| id.to_string().into()),
            (Holds::Blob, Cell::Bytes(bytes)) => Some(hex(bytes).into()),
            (Holds::Sealed, Cell::Bytes(bytes)) => Some(self.open(table, column, owner, bytes).await?),
            (_, Cell::Int(number)) => Some((*number).into()),
            (_, Cell::Text(text)) => Some(text.as_str().into()),
            (_, Cell::Bytes(bytes)) => Some(plain(bytes)),
        })
    }

    async fn open(&self, table: &Table, column: &Column, owner: UserNum, bytes: &[u8]) -> Result<Value> {
        let place: &'static str = match (table.name, column.name) {
            ("devices", "sealed") => "devices.sealed",
            ("media", "sealed") => "media.sealed",
            ("pushers", "sealed") => "pushers.sealed",
            ("access_log", "sealed") => "access_log.sealed",
            _ => return Ok(plain(bytes)),
        };
        match self.keystore.key_of(owner).await {
            Ok(key) => Ok(key.open(place, bytes).map_or_else(|_| plain(bytes), |opened| plain(&opened))),
            Err(StoreError::Sealed(_)) => Ok(plain(bytes)),
            Err(error) => Err(error.into()),
        }
    }

    async fn room(&mut self, number: i64) -> Result<Option<String>> {
        if number == 0 {
            return Ok(None);
        }
        if let Some(known) = self.rooms.get(&number) {
            return Ok(known.clone());
        }
        let read = self.store.read(move |snapshot| async move { rooms::by_num(&snapshot, RoomNum(number)).await });
        let room_id = read.await?.map(|room| room.room_id);
        if self.rooms.len() < ROOMS {
            self.rooms.insert(number, room_id.clone());
        }
        Ok(room_id)
    }

    /// The ids of the events that rows name.
    async fn events(&self, table: &Table, rows: &[Whole]) -> Result<HashMap<i64, String>> {
        let mut numbers: Vec<i64> = Vec::new();
        for row in rows {
            for (column, cell) in table.columns.iter().zip(&row.cells) {
                if let (Holds::EventNum, Cell::Int(number)) = (column.holds, cell) {
                    numbers.push(*number);
                }
            }
        }
        if numbers.is_empty() {
            return Ok(HashMap::new());
        }
        let read = self
            .store
            .read(move |snapshot| async move { events::ids(&snapshot, numbers.into_iter().map(EventNum)).await });
        let found: Vec<(EventNum, bytes::Bytes)> = read.await?;
        Ok(found
            .into_iter()
            .filter_map(|(number, id)| Some((number.0, event_id::from_bytes(&id).ok()?.to_string())))
            .collect())
    }
}

/// Bytes as JSON if they are, as text if they are, else in Base64.
fn plain(bytes: &[u8]) -> Value {
    if let Ok(value) = serde_json::from_slice(bytes) {
        return value;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => text.into(),
        _ => BASE64_STANDARD.encode(bytes).into(),
    }
}
