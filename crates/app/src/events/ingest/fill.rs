//! The content of events that came without it: whoever told them before was not to tell it to this cell, and whoever tells it now may, since
//! somebody who may see it comes here.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use domicile_core::ids::EventNum;
use domicile_room::words;
use domicile_store::{
    Batch, event_id,
    table::{
        search,
        withheld_events::{self, Withheld},
    },
};
use serde_json::value::RawValue;

use super::Ingest;
use crate::{Result, rooms::Room};

impl Ingest {
    /// Puts the content of events in its place that came to a room without it. Gives of how many it is here now; an event that is told without it again
    /// stays as it is.
    pub async fn fill(&self, room: &Arc<Room>, raw: Vec<Box<RawValue>>) -> Result<usize> {
        let info = &room.info;
        let verified = self.verify(&info.rules, &info.room_id, raw).await?;
        let whole: HashMap<Bytes, _> = verified
            .into_iter()
            .filter_map(|event| event.ok().filter(|received| !received.redacted))
            .map(|received| (event_id::to_bytes(received.pdu.event_id()), received.pdu))
            .collect();
        let ids: Vec<Bytes> = whole.keys().cloned().collect();
        let _writer = room.writer().await;
        let room_num = info.room_num;
        let read =
            self.store.read(move |snapshot| async move { withheld_events::among(&snapshot, room_num, &ids).await });
        let mut batch = Batch::new();
        let mut filled: Vec<EventNum> = Vec::new();
        for Withheld { event_num, event_id, status, place } in read.await? {
            let Some(pdu) = whole.get(&event_id) else { continue };
            withheld_events::fill(&mut batch, event_num, pdu.json().clone());
            withheld_events::remove(&mut batch, room_num, event_num);
            // What a rejected event says is nobody's to see.
            if status.is_accepted() {
                if let Some((field, text)) = words::searchable(pdu) {
                    search::insert_late(&mut batch, event_num, &words::index(field, &text, room_num.0));
                }
                self.point(&mut batch, room_num, (event_num, place), pdu).await?;
            }
            filled.push(event_num);
        }
        if filled.is_empty() {
            return Ok(0);
        }
        self.store.write(batch).await?;
        for event_num in &filled {
            self.events.forget(*event_num);
        }
        self.rooms.reload(room).await?;
        Ok(filled.len())
    }
}
