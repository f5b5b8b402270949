//! What a timeline shows of its events: those that the reader may see, and what there is to tell about their children.

use std::sync::Arc;

use domicile_store::{Snapshot, table::sync::RoomOfUser};

use super::{SyncParts, answer::Ready, room::Cut};
use crate::{
    Result,
    accounts::Session,
    events::{Bundles, Form, Reader},
    rooms::{RoomView, visibility::Eyes},
};

/// Who reads a room's timeline.
pub(super) struct Onlooker<'a> {
    pub(super) parts: &'a SyncParts,
    pub(super) snapshot: &'a Snapshot,
    pub(super) session: &'a Session,
    pub(super) view: &'a RoomView,
}

impl Onlooker<'_> {
    async fn eyes(&self) -> Result<Eyes> {
        let (user_num, user_id) = (self.session.user_num, self.session.user_id.clone());
        Eyes::new(&self.parts.presenter.sight(), self.snapshot, self.view, user_num, user_id).await
    }

    /// Leaves out what the room does not show to who was not there yet. Whatever came after their joining is theirs.
    pub(super) async fn keep_seen(&self, row: &RoomOfUser, cut: &mut Cut) -> Result<()> {
        let before = cut.events.iter().take_while(|event| event.position < Some(row.turned_position)).count();
        if before == 0 {
            return Ok(());
        }
        let mut eyes = self.eyes().await?;
        let mut kept = Vec::with_capacity(cut.events.len());
        for event in cut.events.drain(..) {
            if event.position >= Some(row.turned_position)
                || eyes.sees(&self.parts.presenter.sight(), self.snapshot, &event).await?
            {
                kept.push(Arc::clone(&event));
            }
        }
        cut.events = kept;
        Ok(())
    }

    /// The events as the reader sees them. Only where events are left out before a timeline are children told of with their parents
    /// (client-server, *Aggregations of child events*): else the client has seen or is about to see them all.
    pub(super) async fn present(&self, cut: &Cut, limited: bool, reader: Reader) -> Result<Vec<Ready>> {
        let bundles = if limited && self.view.has_relations {
            self.parts.presenter.bundles(self.snapshot, &mut self.eyes().await?, &cut.events).await?
        } else {
            Bundles::default()
        };
        let mut ready = Vec::with_capacity(cut.events.len());
        for event in &cut.events {
            ready.push(self.parts.presenter.bundled(self.snapshot, event, (reader, Form::InSync), &bundles).await?);
        }
        Ok(ready)
    }
}
