//! Many events at once: those of a join's answer, of a page of history.

use std::collections::HashSet;

use ruma::{OwnedEventId, RoomId, room_version_rules::RoomVersionRules};
use serde_json::value::RawValue;

use super::{Refused, Unverified, read};

/// What came of a list of events.
#[derive(Debug, Default)]
pub struct Many {
    /// Events of the room, each once, in the order in which they came.
    pub events: Vec<Unverified>,
    /// Events of other rooms, and of those that cannot be read, why.
    pub refused: Vec<Refused>,
}

/// Reads the events of a list that are of this room; the others are dropped. More than `most` are not read at all.
pub fn read_many<'a>(
    list: impl IntoIterator<Item = &'a RawValue, IntoIter: ExactSizeIterator>,
    most: usize,
    room_id: &RoomId,
    rules: &RoomVersionRules,
) -> Result<Many, Refused> {
    let list = list.into_iter();
    super::size::bound("list of events", list.len(), most)?;
    let mut many = Many { events: Vec::with_capacity(list.len()), refused: Vec::new() };
    let mut seen: HashSet<OwnedEventId> = HashSet::with_capacity(list.len());
    for json in list {
        match read(json.get().as_bytes(), rules) {
            Ok(event) if !event.is_of(room_id) => {
                many.refused.push(Refused::Format { key: "room_id", reason: "names another room" });
            }
            Ok(event) => {
                if seen.insert(event.event_id().to_owned()) {
                    many.events.push(event);
                }
            }
            Err(refused) => many.refused.push(refused),
        }
    }
    Ok(many)
}
