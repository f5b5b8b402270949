//! `m.receipt` (server-server, *Receipts*)

use std::{collections::BTreeMap, sync::Arc};

use domicile_store::{
    event_id,
    table::{
        events::Status,
        receipts::{self, NewReceipt},
        waiting_receipts::WaitingReceipt,
    },
};
use ruma::{OwnedEventId, OwnedRoomId, OwnedUserId};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Edus, Origin, Plan, is_of, is_plain};
use crate::{Result, ephemeral::ReceiptKind, rooms::Room};

/// Receipts of one transaction.
const RECEIPTS: usize = 1_000;

/// A receipt as it was told.
pub(super) struct Receipt {
    room_id: OwnedRoomId,
    user_id: OwnedUserId,
    event_id: OwnedEventId,
    thread: String,
    ts: Option<i64>,
}

/// The receipts of one room. Each is read by itself, so that one that cannot be read spoils no other.
#[derive(Deserialize)]
struct OfRoom<'a> {
    #[serde(borrow, rename = "m.read", default)]
    read: BTreeMap<String, &'a RawValue>,
}

#[derive(Deserialize)]
struct OfUser {
    event_ids: Vec<OwnedEventId>,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    ts: Option<i64>,
    thread_id: Option<String>,
}

/// Reads the receipts of an EDU.
pub(super) fn read(origin: Origin<'_>, content: &RawValue, receipts: &mut Vec<Receipt>) {
    let Ok(rooms) = serde_json::from_str::<BTreeMap<String, &RawValue>>(content.get()) else { return };
    for (room_id, of_room) in rooms {
        let Ok(room_id) = OwnedRoomId::try_from(room_id) else { continue };
        let Ok(of_room) = serde_json::from_str::<OfRoom<'_>>(of_room.get()) else { continue };
        for (user_id, of_user) in of_room.read {
            if receipts.len() >= RECEIPTS {
                return;
            }
            if let Some(receipt) = read_one(origin, &room_id, user_id, of_user) {
                receipts.push(receipt);
            }
        }
    }
}

fn read_one(origin: Origin<'_>, room_id: &OwnedRoomId, user_id: String, of_user: &RawValue) -> Option<Receipt> {
    let user_id = OwnedUserId::try_from(user_id).ok().filter(|user_id| is_of(origin, user_id))?;
    let OfUser { event_ids, data } = serde_json::from_str(of_user.get()).ok()?;
    let event_id = event_ids.into_iter().next()?;
    let thread = data.thread_id.unwrap_or_default();
    let is_thread = thread.is_empty() || thread == "main" || thread.starts_with('$');
    let plain = is_thread && is_plain(&thread) && is_plain(event_id.as_str()) && is_plain(room_id.as_str());
    plain.then(|| Receipt { room_id: room_id.clone(), user_id, event_id, thread, ts: data.ts })
}

impl Edus {
    /// Adds receipts to a plan: of people who are in the room. Those for events that are not here wait.
    pub(super) async fn receipts(&self, origin: Origin<'_>, receipts: &[Receipt], plan: &mut Plan) -> Result<()> {
        let now_ms = self.0.clock.now_ms();
        let mut position = None;
        for receipt in receipts {
            let Some((room, user_num)) = self.member(origin, &receipt.room_id, &receipt.user_id).await? else {
                continue;
            };
            // Nobody has read in the future.
            let ts = receipt.ts.map_or(now_ms, |ts| ts.clamp(0, now_ms));
            let event = self.0.events.by_id(&receipt.event_id).await?;
            if event.as_ref().is_none_or(|event| event.status.has(Status::OUTLIER)) {
                let row = WaitingReceipt {
                    room_num: room.info.room_num,
                    user_num,
                    thread: receipt.thread.clone(),
                    event_id: event_id::to_bytes(&receipt.event_id),
                    ts,
                    received_ts: now_ms,
                };
                self.0.waiting_receipts.keep(&mut plan.batch, &row).await?;
                add(&mut plan.waiting, room);
                continue;
            }
            let event = event.filter(|event| event.room.room_num == room.info.room_num);
            let Some((event_num, event_position)) = event.and_then(|event| Some((event.event_num, event.position?)))
            else {
                continue;
            };
            let position = position.get_or_insert_with(|| plan.batch.position()).clone();
            let row = NewReceipt {
                room_num: room.info.room_num,
                user_num,
                kind: ReceiptKind::Read.as_str(),
                thread: &receipt.thread,
                event_num,
                event_position,
                ts,
            };
            receipts::set(&mut plan.batch, &row, position);
            add(&mut plan.rooms, room);
        }
        Ok(())
    }
}

fn add(rooms: &mut Vec<Arc<Room>>, room: Arc<Room>) {
    if rooms.iter().all(|known| known.info.room_num != room.info.room_num) {
        rooms.push(room);
    }
}
