//! Check 6 and after: the room's state with the event.

use std::sync::Arc;

use domicile_core::ids::{EventNum, NodeNum};
use domicile_room::event::Pdu;
use domicile_store::{
    event_id,
    table::{events::Status, graph, timeline_gaps},
};
use ruma::OwnedEventId;

use super::{Ingest, Round};
use crate::{Result, events::send::Resolved};

impl Ingest {
    /// What the room's state is with an event that stands on `before`. The inner none: what it is now, and the event's own. The outer none: what is
    /// on the copy has to be written first.
    pub(super) async fn room_state_with(
        &self,
        round: &Round<'_>,
        pdu: &Arc<Pdu>,
        known: Option<EventNum>,
        before: NodeNum,
    ) -> Result<Option<Option<Resolved>>> {
        let view = &round.staging.view;
        let others: Vec<&(EventNum, OwnedEventId)> =
            view.extremities.iter().filter(|(_, id)| !pdu.prev_events().contains(id)).collect();
        if before == view.state_root && others.is_empty() {
            return Ok(Some(None));
        }
        if round.is_written_first() {
            return Ok(None);
        }
        let mut states = Vec::with_capacity(others.len() + 1);
        let mut on_disk = Vec::with_capacity(others.len());
        for (event_num, id) in others {
            match round.after(id) {
                Some(state) => states.push(state),
                None => on_disk.push(*event_num),
            }
        }
        for event in self.events.get_many(on_disk).await? {
            states.push(self.resolution.state_after(&event).await?);
        }
        // A message on top of what everybody agrees on changes nothing.
        if before == view.state_root && states.iter().all(|state| *state == before) && !pdu.is_state() {
            return Ok(Some(None));
        }
        let event_num = match known {
            Some(event_num) => event_num,
            None => self.sender.new_event_num().await?,
        };
        states.push(match pdu.state_key() {
            Some(state_key) => {
                let key_num = self.keys.intern(&pdu.kind().to_string(), state_key).await?;
                self.resolution.with(before, key_num, event_num).await?
            }
            None => before,
        });
        let root = self.resolution.resolve_with(&round.room.info, states, Some((event_num, Arc::clone(pdu)))).await?;
        let (trees, old) = (Arc::clone(&self.trees), view.state_root);
        let read = self.store.read(move |snapshot| async move { trees.differences(&snapshot, old, root).await });
        let changes = read.await?.into_iter().map(|(key_num, _, new)| (key_num, new)).collect();
        Ok(Some(Some(Resolved { root, event_num, changes })))
    }

    /// Notes the predecessors of an event that are not here: history can be fetched from there. The event itself is missing no more.
    ///
    /// Not to be called for an event that [comes next](super::state_before::comes_next): its predecessors are the ends of the graph, so nothing
    /// in the graph can name it.
    pub(super) fn note_what_is_missing(round: &mut Round<'_>, pdu: &Pdu, event_num: EventNum) {
        let room_num = round.room.info.room_num;
        let mut any = false;
        for id in pdu.prev_events() {
            if round.known(id).is_none_or(|(_, status)| status.has(Status::OUTLIER)) {
                graph::add_backward_extremity(&mut round.staging.batch, room_num, event_id::to_bytes(id), event_num);
                any = true;
            }
        }
        if any {
            timeline_gaps::note(&mut round.staging.batch, room_num, event_num);
        }
        graph::remove_backward_extremity(&mut round.staging.batch, room_num, event_id::to_bytes(pdu.event_id()));
    }
}
