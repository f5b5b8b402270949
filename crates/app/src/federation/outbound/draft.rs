//! What a transaction is to have in it: read from one snapshot, and cut so that it fits and so that nothing is told before what it rests on.

use std::sync::Arc;

use domicile_core::ids::{DestinationNum, Position, RoomNum};
use domicile_store::{
    Snapshot,
    table::{
        device_changes::{self, DeviceChange},
        memberships,
        outgoing_edus::{self, OutgoingEdu},
        outgoing_events::{self, RoomBehind},
        receipts::{self, OutgoingReceipt},
        rooms,
    },
};

use super::receipt_edus;
use crate::{
    Result,
    events::{Events, Stored},
    federation::transactions::PDUS_OF_CELL,
};

/// Events in a transaction, and what else (server-server specification, *Transactions*).
const PDUS: usize = 50;
pub(super) const EDUS: usize = 100;
/// Messages to devices in a transaction: they go first, but leave room for changes of devices.
const MESSAGES: usize = 80;
/// Places for what passes, which come last.
const PASSING: usize = 4;
/// Receipts in a transaction.
const RECEIPTS: usize = 500;
/// Bytes of events, and of messages to devices, beyond which no further one goes into the same transaction.
const BYTES: usize = 1 << 20;
/// Events that another server is told one by one after an absence; if there are more, it is told the newest of each room.
const ONE_BY_ONE: i64 = 500;
/// The same for a cell, which has to have all of them: it asks for what it misses more dearly than it is told, and in a busy room what it is told
/// meanwhile is a gap again.
const ONE_BY_ONE_CELL: i64 = 20_000;
/// Rooms that are told so in one transaction, and ends of a graph that are told of each.
const ROOMS: i64 = 10;
const ENDS: usize = 5;

/// From where on a transaction is to be drafted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    /// For whom.
    pub(super) destination_num: DestinationNum,
    /// Everything up to here was told.
    pub(super) position: Position,
    /// Up to where it is told the newest of each room only, if it was absent for long.
    pub(super) newest_upto: Option<Position>,
    /// How many events waited for it when they were last counted, and where the stream ended then.
    pub(super) counted: Option<(i64, Position)>,
    /// How often the size is halved, because the destination finds transactions too large.
    pub(super) halved: u32,
    /// Whether it is a cell.
    pub(super) is_cell: bool,
}

/// What a transaction is to have in it.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// Messages to devices.
    pub(super) messages: Vec<OutgoingEdu>,
    /// Events.
    pub(super) events: Vec<Arc<Stored>>,
    /// Changes of devices.
    pub(super) devices: Vec<DeviceChange>,
    /// Receipts.
    pub(super) receipts: Vec<OutgoingReceipt>,
    /// With it, everything up to here has been told.
    pub(super) upto: Position,
    /// Rooms of which nothing older than a position is told after it.
    pub(super) skipped: Vec<(RoomNum, Position)>,
    /// Up to where the destination is told the newest of each room only, from now on.
    pub(super) newest_upto: Option<Position>,
    /// As it was, or as it is counted now.
    pub(super) counted: Option<(i64, Position)>,
}

impl Draft {
    /// Whether there is nothing to tell.
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.events.is_empty() && self.devices.is_empty() && self.receipts.is_empty()
    }

    /// Places that are left for what passes.
    fn places(&self) -> usize {
        EDUS.saturating_sub(self.messages.len() + self.devices.len())
    }
}

/// Drafts a destination's next transaction.
pub(super) async fn draft(snapshot: &Snapshot, events: &Events, start: Start) -> Result<Draft> {
    // What was acknowledged to a client before an event is in this snapshot if the event is.
    let head = snapshot.head().await?;
    let mut draft = Draft { upto: head, newest_upto: start.newest_upto, counted: start.counted, ..Draft::default() };
    messages(snapshot, start, &mut draft).await?;
    let behind = behind(snapshot, start, head, &mut draft).await?;
    if !behind.is_empty() {
        // Messages that are left go before any event.
        if draft.upto == head {
            newest(snapshot, events, &behind, &mut draft).await?;
        }
        draft.upto = start.position;
        return Ok(draft);
    }
    next_events(snapshot, events, start, &mut draft).await?;
    devices(snapshot, start, &mut draft).await?;
    read(snapshot, start, &mut draft).await?;
    let upto = draft.upto;
    draft.events.retain(|event| event.position.is_some_and(|position| position <= upto));
    draft.devices.retain(|change| change.position <= upto);
    introductions(snapshot, &mut draft).await?;
    Ok(draft)
}

/// Messages to devices, as many as fit. If some are left, nothing that came after them is told yet.
async fn messages(snapshot: &Snapshot, start: Start, draft: &mut Draft) -> Result<()> {
    let most = MESSAGES >> start.halved.min(6);
    let mut waiting = outgoing_edus::page(snapshot, start.destination_num, limit(most + 1)).await?;
    let fitting = fitting(waiting.iter().map(|message| message.content.len()), most, start.halved);
    if let Some(left) = waiting.get(fitting) {
        draft.upto = Position(left.position.0 - 1).max(start.position);
    }
    waiting.truncate(fitting);
    draft.messages = waiting;
    Ok(())
}

/// The next events, as many as fit.
async fn next_events(snapshot: &Snapshot, events: &Events, start: Start, draft: &mut Draft) -> Result<()> {
    let most = if start.is_cell { PDUS_OF_CELL } else { PDUS } >> start.halved.min(5);
    let found =
        outgoing_events::of_destination(snapshot, start.destination_num, start.position, draft.upto, limit(most + 1));
    let found = found.await?;
    let nums: Vec<_> = found.iter().map(|(_, event_num)| *event_num).collect();
    let mut loaded = events.load(snapshot, &nums).await?;
    let fitting = fitting(loaded.iter().map(|event| event.pdu.json().len()), most, start.halved);
    if let Some(position) = loaded.get(fitting).and_then(|event| event.position) {
        draft.upto = Position(position.0 - 1);
    }
    loaded.truncate(fitting);
    draft.events = loaded;
    Ok(())
}

/// The next rooms of which a destination that was absent for long is told the newest only.
async fn behind(snapshot: &Snapshot, start: Start, head: Position, draft: &mut Draft) -> Result<Vec<RoomBehind>> {
    let upto = match start.newest_upto {
        Some(upto) if upto > start.position => upto,
        _ if is_absent(snapshot, start, head, draft).await? => head,
        _ => {
            draft.newest_upto = None;
            return Ok(Vec::new());
        }
    };
    draft.newest_upto = Some(upto);
    let most = (ROOMS >> start.halved.min(3)).max(1);
    Ok(outgoing_events::rooms_behind(snapshot, start.destination_num, start.position, upto, most).await?)
}

/// The ends of the graphs of rooms instead of everything: the other side asks for what it misses between. Who has left a room is told how.
async fn newest(snapshot: &Snapshot, events: &Events, behind: &[RoomBehind], draft: &mut Draft) -> Result<()> {
    for room in behind {
        let mut nums = Vec::new();
        if let Some(until) = room.until {
            nums.extend(outgoing_events::at(snapshot, room.room_num, until).await?);
        } else {
            let ends = rooms::forward_extremities(snapshot, room.room_num).await?;
            nums.extend(ends.into_iter().rev().take(ENDS).map(|(event_num, _)| event_num));
        }
        draft.events.extend(events.load(snapshot, &nums).await?);
        draft.skipped.push((room.room_num, room.until.unwrap_or(draft.upto)));
    }
    draft.events.sort_by_key(|event| event.position);
    Ok(())
}

/// Whether so much waits for a destination that it is not told one by one, or not all is known any more that it was to be told.
async fn is_absent(snapshot: &Snapshot, start: Start, head: Position, draft: &mut Draft) -> Result<bool> {
    if outgoing_events::purged(snapshot).await? > start.position {
        return Ok(true);
    }
    let most = if start.is_cell { ONE_BY_ONE_CELL } else { ONE_BY_ONE };
    if head.0 - start.position.0 <= most {
        return Ok(false);
    }
    // No more wait than waited then and have come since: all are not counted again for each transaction.
    if start.counted.is_some_and(|(waiting, upto)| waiting + (head.0 - upto.0) <= most) {
        return Ok(false);
    }
    let waiting = outgoing_events::count(snapshot, start.destination_num, start.position, most + 1).await?;
    draft.counted = Some((waiting, head));
    Ok(waiting > most)
}

/// Changes of devices, as many as there are places for.
async fn devices(snapshot: &Snapshot, start: Start, draft: &mut Draft) -> Result<()> {
    let most = draft.places().saturating_sub(2 * PASSING);
    let (since, upto) = (start.position, draft.upto);
    let mut found =
        device_changes::of_destination(snapshot, start.destination_num, since, upto, limit(most + 1)).await?;
    if let Some(left) = found.get(most) {
        draft.upto = Position(left.position.0 - 1);
    }
    found.truncate(most);
    draft.devices = found;
    Ok(())
}

/// Receipts, as many as there are places for.
async fn read(snapshot: &Snapshot, start: Start, draft: &mut Draft) -> Result<()> {
    let (since, upto) = (start.position, draft.upto);
    let mut found = receipts::of_destination(snapshot, start.destination_num, since, upto, limit(RECEIPTS + 1)).await?;
    let fitting = receipt_edus::fitting(&found, draft.places().saturating_sub(PASSING)).min(RECEIPTS);
    if let Some(left) = found.get(fitting) {
        draft.upto = Position(left.position.0 - 1);
    }
    found.truncate(fitting);
    draft.receipts = found;
    Ok(())
}

/// The last change of devices of those who come into a room with these events: whoever does not know it asks for all their devices.
async fn introductions(snapshot: &Snapshot, draft: &mut Draft) -> Result<()> {
    let mut new = Vec::new();
    for event in &draft.events {
        let joins = event.pdu.membership().is_some_and(|word| word == "join");
        if joins
            && memberships::turned(snapshot, event.sender_num, event.room.room_num).await? == event.position
            && !new.contains(&event.sender_num)
        {
            new.push(event.sender_num);
        }
    }
    new.retain(|user_num| !draft.devices.iter().any(|change| change.user_num == *user_num));
    new.truncate(PASSING);
    if !new.is_empty() {
        draft.devices.extend(device_changes::last_of(snapshot, new).await?);
    }
    Ok(())
}

/// How many of the first fit into a transaction: at least one.
fn fitting(sizes: impl Iterator<Item = usize>, most: usize, halved: u32) -> usize {
    let mut bytes = 0_usize;
    let mut count = 0;
    for size in sizes.take(most) {
        bytes += size;
        if count > 0 && bytes > BYTES >> halved.min(16) {
            break;
        }
        count += 1;
    }
    count
}

fn limit(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
