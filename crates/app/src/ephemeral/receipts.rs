//! Receipts: how far somebody has read.

use std::sync::Arc;

use domicile_core::{clock::Clock, error::ErrorKind, limits};
use domicile_store::{
    Batch, Store,
    table::receipts::{self, NewReceipt},
};
use ruma::{EventId, RoomId};

use crate::{
    Result,
    accounts::Session,
    error::{forbidden, not_found},
    events::{Events, wake::Wakers},
    federation::OutboundBell,
    push::PushBell,
    rooms::Rooms,
};

/// The two kinds of receipts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptKind {
    /// `m.read`
    Read,
    /// `m.read.private`
    ReadPrivate,
}

impl ReceiptKind {
    /// Matrix's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "m.read",
            Self::ReadPrivate => "m.read.private",
        }
    }
}

/// Receipts.
pub struct Receipts {
    store: Store,
    clock: Arc<dyn Clock>,
    rooms: Arc<Rooms>,
    events: Arc<Events>,
    wakers: Arc<Wakers>,
    bell: Arc<PushBell>,
    outbound: Arc<OutboundBell>,
}

impl Receipts {
    /// Over a store.
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        rooms: Arc<Rooms>,
        events: Arc<Events>,
        wakers: Arc<Wakers>,
        bell: Arc<PushBell>,
        outbound: Arc<OutboundBell>,
    ) -> Self {
        Self { store, clock, rooms, events, wakers, bell, outbound }
    }

    /// Notes that somebody has read up to an event. `thread` is empty for the whole room. An older receipt changes nothing.
    pub async fn set(
        &self,
        by: &Session,
        room_id: &RoomId,
        event_id: &EventId,
        kind: ReceiptKind,
        thread: &str,
    ) -> Result<()> {
        let room = self.rooms.get(room_id).await?;
        let view = room.view();
        if !view.is_joined(by.user_num) {
            return Err(forbidden("You are not in this room."));
        }
        let is_thread = thread.is_empty() || thread == "main" || thread.starts_with('$');
        if !is_thread || thread.len() > limits::ID_BYTES || thread.contains('\0') {
            let text = "`thread_id` is `main` or the id of a thread's first event.";
            return Err(ErrorKind::InvalidParam.with(text).into());
        }
        let event = self.events.by_id(event_id).await?.filter(|event| event.room.room_num == room.info.room_num);
        let event = event.ok_or_else(|| not_found(format!("There is no event {event_id} in this room.")))?;
        let Some(event_position) = event.position else { return Ok(()) };
        let mut batch = Batch::new();
        let position = batch.position();
        let receipt = NewReceipt {
            room_num: room.info.room_num,
            user_num: by.user_num,
            kind: kind.as_str(),
            thread,
            event_num: event.event_num,
            event_position,
            ts: self.clock.now_ms(),
        };
        receipts::set(&mut batch, &receipt, position);
        self.store.write(batch).await?;
        self.bell.user(by.user_num);
        if kind == ReceiptKind::Read && !view.destinations.is_empty() {
            self.outbound.read(room.info.room_num);
        }
        match kind {
            ReceiptKind::Read => self.wakers.wake_members(
                view.joined,
                |visit| view.joined_members().for_each(visit),
                |user_num| view.is_joined(user_num),
            ),
            ReceiptKind::ReadPrivate => self.wakers.wake(by.user_num),
        }
        Ok(())
    }

    /// Moves the marker of what was read fully, which is room account data.
    pub async fn set_fully_read(&self, by: &Session, room_id: &RoomId, event_id: &EventId) -> Result<()> {
        let room = self.rooms.get(room_id).await?;
        if !room.view().is_joined(by.user_num) {
            return Err(forbidden("You are not in this room."));
        }
        let mut batch = Batch::new();
        let position = batch.position();
        let content = serde_json::json!({ "event_id": event_id }).to_string();
        receipts::set_fully_read(&mut batch, by.user_num, room.info.room_num, content, position);
        self.store.write(batch).await?;
        self.wakers.wake(by.user_num);
        Ok(())
    }
}
