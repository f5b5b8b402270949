//! Writing an event that may be another server's.

use domicile_room::event::Pdu;
use domicile_store::{
    Batch, Value,
    table::{
        events::{self, Event},
        withheld_events,
    },
};

/// Writes the row of an event, and notes whether it came without its content.
pub(crate) fn insert_told(batch: &mut Batch, row: &Event, position: Value, pdu: &Pdu) {
    events::insert(batch, row, position);
    if pdu.is_withheld() {
        withheld_events::note(batch, row.room_num, row.event_num);
    }
}
