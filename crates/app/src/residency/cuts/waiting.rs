//! What waits for a cell that is not reached: counted once, as it comes.

use std::sync::Arc;

use domicile_core::ids::{DestinationNum, Position};
use domicile_store::{
    Snapshot,
    table::{
        cuts::{Counts, Cut},
        device_changes::{self, CROSS_SIGNING, DeviceChange},
        devices, outgoing_edus, outgoing_events,
    },
};

use super::{CutParts, NewDevice};
use crate::{Result, accounts::Users, events::Stored};

/// Events, and changes of devices, that are looked at in one read.
const PAGE: i64 = 1_000;
/// New devices of which another cell is told.
pub(super) const DEVICES: usize = 500;

/// Counts what came for a cell since it was counted last, up to `upto`.
pub(super) async fn count(
    parts: &CutParts,
    cut: &mut Cut,
    destination_num: DestinationNum,
    upto: Position,
) -> Result<()> {
    while cut.counted_position < upto {
        let (events, since) = (Arc::clone(&parts.events), cut.counted_position);
        let read = parts.store.read(move |snapshot| async move {
            let found = outgoing_events::of_destination(&snapshot, destination_num, since, upto, PAGE).await?;
            let changes = device_changes::of_destination(&snapshot, destination_num, since, upto, PAGE).await?;
            // What is on a page that is full is counted up to its end; the rest comes with the next one.
            let full =
                |len: usize, last: Option<Position>| last.filter(|_| i64::try_from(len).is_ok_and(|len| len >= PAGE));
            let ends = [
                full(found.len(), found.last().map(|(position, _)| *position)),
                full(changes.len(), changes.last().map(|change| change.position)),
            ];
            let end = ends.into_iter().flatten().min().unwrap_or(upto);
            let nums: Vec<_> =
                found.iter().filter(|(position, _)| *position <= end).map(|(_, event_num)| *event_num).collect();
            let mut counts = Counts::default();
            for event in events.load_passing(&snapshot, &nums).await? {
                count_event(&event, &mut counts);
            }
            for change in changes.iter().filter(|change| change.position <= end) {
                counts.sign_outs += i64::from(is_gone(&snapshot, change).await?);
            }
            Ok::<_, crate::Error>((counts, end))
        });
        let (counts, end) = read.await?;
        cut.counts.removals += counts.removals;
        cut.counts.bans += counts.bans;
        cut.counts.sign_outs += counts.sign_outs;
        cut.counts.messages += counts.messages;
        cut.counted_position = end;
    }
    Ok(())
}

fn count_event(event: &Stored, counts: &mut Counts) {
    // It says nothing to anybody.
    if event.pdu.is_dummy() {
        return;
    }
    let by_another = event.pdu.state_key().is_some_and(|whom| whom != event.pdu.sender().as_str());
    match event.pdu.membership().as_deref() {
        Some("ban") => counts.bans += 1,
        Some("leave") if by_another => counts.removals += 1,
        _ => counts.messages += 1,
    }
}

async fn is_gone(snapshot: &Snapshot, change: &DeviceChange) -> Result<bool> {
    if change.device_id == CROSS_SIGNING {
        return Ok(false);
    }
    Ok(devices::by_id(snapshot, change.user_num, &change.device_id).await?.is_none())
}

/// Whether anything up to `upto` waits for a destination that has been told everything up to `told`.
pub(super) async fn waits(
    snapshot: &Snapshot,
    destination_num: DestinationNum,
    told: Position,
    upto: Position,
) -> Result<bool> {
    let message = outgoing_edus::page(snapshot, destination_num, 1).await?;
    Ok(message.first().is_some_and(|message| message.position <= upto)
        || !outgoing_events::of_destination(snapshot, destination_num, told, upto, 1).await?.is_empty()
        || !device_changes::of_destination(snapshot, destination_num, told, upto, 1).await?.is_empty())
}

/// Devices of people here that are new since a cut and of which the other cell was not told while it lasted, and whether there are more.
pub(super) async fn new_devices(
    snapshot: &Snapshot,
    users: &Users,
    cut: &Cut,
    destination_num: DestinationNum,
) -> Result<(Vec<NewDevice>, bool)> {
    let (mut since, upto) = (cut.from_position, cut.counted_position);
    let mut found = Vec::new();
    loop {
        let changes = device_changes::of_destination(snapshot, destination_num, since, upto, PAGE).await?;
        let Some(last) = changes.last() else { return Ok((found, false)) };
        since = last.position;
        for change in changes.into_iter().filter(|change| change.device_id != CROSS_SIGNING) {
            let device = devices::by_id(snapshot, change.user_num, &change.device_id).await?;
            if device.is_none_or(|device| device.created_ts < cut.since_ts) {
                continue;
            }
            if found.len() >= DEVICES {
                return Ok((found, true));
            }
            let user_id = users.load_id(snapshot, change.user_num).await?.to_string();
            found.push(NewDevice { user_id, device_id: change.device_id });
        }
    }
}
