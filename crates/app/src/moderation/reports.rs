//! Reports to the operator about events, rooms and users (client-server, *Reporting content*). What an event says is not kept with a report:
//! most rooms are encrypted, and who may read it can.

use std::sync::Arc;

use domicile_core::{clock::Clock, error::ErrorKind};
use domicile_store::{Batch, Store, event_id, numbers::Sequence, table::reports};
use ruma::{EventId, OwnedEventId, OwnedRoomId, OwnedUserId, RoomId, UserId};

use crate::{
    Error, Result,
    accounts::{Session, Users},
    error::not_found,
    rooms::RoomReader,
};

/// Longest reason in bytes.
const REASON_BYTES: usize = 4_096;
/// Reports of a page.
const PAGE: i64 = 500;

/// What a report is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// An event.
    Event {
        /// Its room.
        room_id: OwnedRoomId,
        /// The event.
        event_id: OwnedEventId,
        /// Who sent it.
        sender: OwnedUserId,
    },
    /// A room.
    Room(OwnedRoomId),
    /// A user.
    User(OwnedUserId),
}

/// A report as the operator sees it.
#[derive(Clone, Debug)]
pub struct Report {
    /// Its number.
    pub number: i64,
    /// Who reports; nobody once they moved away or were erased.
    pub reporter: Option<OwnedUserId>,
    /// What it is about.
    pub subject: Subject,
    /// What the reporter says.
    pub reason: String,
    /// When, in milliseconds since the epoch.
    pub created_ts: i64,
    /// When the operator dealt with it.
    pub resolved_ts: Option<i64>,
}

/// Keeps reports.
pub struct Reports {
    store: Store,
    clock: Arc<dyn Clock>,
    users: Arc<Users>,
    reader: Arc<RoomReader>,
}

impl Reports {
    /// Over a store.
    pub fn new(store: Store, clock: Arc<dyn Clock>, users: Arc<Users>, reader: Arc<RoomReader>) -> Self {
        Self { store, clock, users, reader }
    }

    /// Reports an event that a member of its room can see.
    pub async fn event(
        &self,
        by: &Session,
        room_id: &RoomId,
        event_id: &EventId,
        reason: Option<String>,
    ) -> Result<()> {
        let missing = || not_found("You see no such event, or are not in its room.");
        let room_num = self.reader.parts().rooms.num(room_id).await?.ok_or_else(missing)?;
        let room = self.reader.parts().rooms.by_num(room_num).await?;
        if !room.view().is_joined(by.user_num) {
            return Err(missing());
        }
        let sender = self.reader.sender_of(by, &room, event_id).await?;
        let subject = Subject::Event { room_id: room_id.to_owned(), event_id: event_id.to_owned(), sender };
        self.add(by, subject, reason.unwrap_or_default()).await
    }

    /// Reports a room, whether or not the reporter is in it.
    pub async fn room(&self, by: &Session, room_id: &RoomId, reason: String) -> Result<()> {
        let found = self.reader.parts().rooms.num(room_id).await?;
        found.ok_or_else(|| not_found(format!("There is no room {room_id} here.")))?;
        self.add(by, Subject::Room(room_id.to_owned()), reason).await
    }

    /// Reports a user.
    pub async fn user(&self, by: &Session, user_id: &UserId, reason: String) -> Result<()> {
        let found = self.users.num(user_id).await?;
        found.ok_or_else(|| not_found(format!("There is no user {user_id} here.")))?;
        self.add(by, Subject::User(user_id.to_owned()), reason).await
    }

    async fn add(&self, by: &Session, subject: Subject, reason: String) -> Result<()> {
        if reason.len() > REASON_BYTES {
            return Err(ErrorKind::InvalidParam.with(format!("A reason has at most {REASON_BYTES} bytes.")).into());
        }
        let (room_id, event, user_id) = match subject {
            Subject::Event { room_id, event_id, sender } => (Some(room_id), Some(event_id), Some(sender)),
            Subject::Room(room_id) => (Some(room_id), None, None),
            Subject::User(user_id) => (None, None, Some(user_id)),
        };
        let row = reports::Report {
            report_num: self.store.number(Sequence::Report).await?,
            reporter_num: Some(by.user_num),
            room_id: room_id.map(|id| id.to_string()),
            event_id: event.map(|id| event_id::to_bytes(&id)),
            user_id: user_id.map(|id| id.to_string()),
            reason: reason.replace('\0', ""),
            created_ts: self.clock.now_ms(),
            resolved_ts: None,
        };
        let mut batch = Batch::new();
        reports::insert(&mut batch, row);
        self.store.write(batch).await?;
        tracing::info!("somebody reported something: see `domicile report list`");
        Ok(())
    }

    /// Reports after a number, all or those that wait; the number to go on with, if there are more.
    pub async fn list(&self, after: i64, all: bool) -> Result<(Vec<Report>, Option<i64>)> {
        let rows =
            self.store.read(move |snapshot| async move { reports::page(&snapshot, after, all, PAGE).await }).await?;
        let more = i64::try_from(rows.len()).unwrap_or(PAGE) == PAGE;
        let next = rows.last().filter(|_| more).map(|row| row.report_num);
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            found.push(self.report(row).await?);
        }
        Ok((found, next))
    }

    /// One report.
    pub async fn get(&self, number: i64) -> Result<Report> {
        let row = self.store.read(move |snapshot| async move { reports::one(&snapshot, number).await }).await?;
        self.report(row.ok_or_else(|| not_found(format!("There is no report {number}.")))?).await
    }

    /// Notes that a report is dealt with. Doing it twice changes nothing.
    pub async fn resolve(&self, number: i64) -> Result<Report> {
        self.get(number).await?;
        let mut batch = Batch::new();
        reports::resolve(&mut batch, number, self.clock.now_ms());
        self.store.write(batch).await?;
        self.get(number).await
    }

    /// Removes a report.
    pub async fn delete(&self, number: i64) -> Result<()> {
        self.get(number).await?;
        let mut batch = Batch::new();
        reports::remove(&mut batch, number);
        self.store.write(batch).await?;
        Ok(())
    }

    async fn report(&self, row: reports::Report) -> Result<Report> {
        let damaged = || Error::internal(format!("report {} is about nothing", row.report_num));
        let room_id = row.room_id.as_deref().map(OwnedRoomId::try_from).transpose().map_err(Error::internal)?;
        let user_id = row.user_id.as_deref().map(OwnedUserId::try_from).transpose().map_err(Error::internal)?;
        let event = row.event_id.as_deref().map(event_id::from_bytes).transpose()?;
        let subject = match (room_id, event, user_id) {
            (Some(room_id), Some(event_id), Some(sender)) => Subject::Event { room_id, event_id, sender },
            (Some(room_id), None, _) => Subject::Room(room_id),
            (None, _, Some(user_id)) => Subject::User(user_id),
            _ => return Err(damaged()),
        };
        let reporter = match row.reporter_num {
            Some(user_num) => Some(self.users.id(user_num).await?),
            None => None,
        };
        Ok(Report {
            number: row.report_num,
            reporter,
            subject,
            reason: row.reason,
            created_ts: row.created_ts,
            resolved_ts: row.resolved_ts,
        })
    }
}
