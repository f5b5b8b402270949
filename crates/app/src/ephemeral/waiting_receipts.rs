//! Receipts that come before what was read: the event is on another way, or waits for others that it names. They count when it is here.

use std::{collections::HashSet, sync::Arc};

use domicile_core::ids::RoomNum;
use domicile_store::{
    Batch, Store, StoreError,
    table::{
        receipts::{self, NewReceipt},
        waiting_receipts::{self, WaitingReceipt},
    },
};
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use super::ReceiptKind;
use crate::{Result, events::wake::Wakers, rooms::Room};

/// Receipts that wait in one room, and of one person there, at most. What comes beyond is lost; the next one of the same person tells as much.
const MOST: i64 = 1_000;
const OF_PERSON: i64 = 20;

/// Keeps receipts until their events are here.
pub struct WaitingReceipts {
    store: Store,
    wakers: Arc<Wakers>,
    /// The rooms in which some wait, read when they are first asked about: nearly no event has to look further.
    rooms: OnceCell<Mutex<HashSet<RoomNum>>>,
}

impl WaitingReceipts {
    /// Over a store.
    pub fn new(store: Store, wakers: Arc<Wakers>) -> Self {
        Self { store, wakers, rooms: OnceCell::new() }
    }

    /// Adds a receipt to a batch, if the room has place for it. When the batch is written, call [`Self::settle`]: the event may have come meanwhile.
    pub async fn keep(&self, batch: &mut Batch, receipt: &WaitingReceipt) -> Result<()> {
        let (room_num, user_num) = (receipt.room_num, receipt.user_num);
        let read = self.store.read(move |snapshot| async move {
            let of_person = waiting_receipts::count_of(&snapshot, room_num, user_num).await?;
            Ok::<_, StoreError>(of_person < OF_PERSON && waiting_receipts::count(&snapshot, room_num).await? < MOST)
        });
        if read.await? {
            self.rooms().await?.lock().insert(room_num);
            waiting_receipts::keep(batch, receipt);
        }
        Ok(())
    }

    /// Has those receipts of a room count whose events are here.
    pub async fn settle(&self, room: &Room) -> Result<()> {
        let room_num = room.info.room_num;
        if !self.rooms().await?.lock().contains(&room_num) {
            return Ok(());
        }
        let read = self.store.read(move |snapshot| async move {
            let count = waiting_receipts::count(&snapshot, room_num).await?;
            Ok::<_, StoreError>((count, waiting_receipts::arrived(&snapshot, room_num).await?))
        });
        let (count, arrived) = read.await?;
        if count == 0 {
            self.rooms().await?.lock().remove(&room_num);
        }
        if arrived.is_empty() {
            return Ok(());
        }
        let view = room.view();
        let mut batch = Batch::new();
        let position = batch.position();
        for found in &arrived {
            let receipt = &found.receipt;
            waiting_receipts::remove(&mut batch, receipt);
            // Whoever has left meanwhile is no reader any more.
            if view.may_be_joined(receipt.user_num) {
                let row = NewReceipt {
                    room_num,
                    user_num: receipt.user_num,
                    kind: ReceiptKind::Read.as_str(),
                    thread: &receipt.thread,
                    event_num: found.event_num,
                    event_position: found.event_position,
                    ts: receipt.ts,
                };
                receipts::set(&mut batch, &row, position.clone());
            }
        }
        self.store.write(batch).await?;
        self.wakers.wake_members(
            view.joined,
            |visit| view.joined_members().for_each(visit),
            |user_num| view.is_joined(user_num),
        );
        Ok(())
    }

    async fn rooms(&self) -> Result<&Mutex<HashSet<RoomNum>>> {
        self.rooms
            .get_or_try_init(|| async {
                let read = self.store.read(|snapshot| async move { waiting_receipts::rooms(&snapshot).await });
                Ok(Mutex::new(read.await?.into_iter().collect()))
            })
            .await
    }
}
