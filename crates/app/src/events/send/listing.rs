//! A listed room's row in the public directory changes in the batch that changes what it shows. A message changes nothing of it.

use std::sync::Arc;

use domicile_room::event::Pdu;
use domicile_store::{
    StoreError,
    table::{public_rooms, rooms},
};

use super::{Sender, Staging};
use crate::{
    Error, Result,
    rooms::{
        Room,
        summary::{KINDS, Summary},
    },
};

/// The types of state that say who may join or read.
const OPENING: [&str; 2] = ["m.room.join_rules", "m.room.history_visibility"];

impl Sender {
    /// Puts a room into the public directory or takes it out.
    pub async fn list(&self, room: &Arc<Room>, listed: bool) -> Result<()> {
        let mut tries = 0;
        loop {
            tries += 1;
            let _writer = room.writer().await;
            let mut staging = self.begin(room);
            self.stage_listing(&mut staging, listed).await?;
            match self.commit(Some(room), staging).await {
                Err(Error::Store(StoreError::Conflict("rooms.revision"))) if tries < 5 => {
                    self.rooms.reload(room).await?;
                }
                other => return other.map(|_| ()),
            }
        }
    }

    /// The same with what else is staged.
    pub async fn stage_listing(&self, staging: &mut Staging, listed: bool) -> Result<()> {
        staging.view.is_public = listed;
        rooms::set_public(&mut staging.batch, staging.info.room_num, listed);
        if listed {
            let summary = self.summary(staging).await?;
            public_rooms::put(&mut staging.batch, summary.public());
        } else {
            public_rooms::remove(&mut staging.batch, staging.info.room_num);
        }
        Ok(())
    }

    /// Brings the row up to date with what is staged.
    pub(super) async fn follow_listing(&self, staging: &mut Staging) -> Result<()> {
        let of =
            |kinds: &[&str], pdu: &Pdu| pdu.state_key() == Some("") && kinds.contains(&pdu.kind().to_string().as_str());
        let redacted = |kinds: &[&str]| staging.redacted.iter().any(|(_, pdu)| of(kinds, pdu));
        let resolved = |kinds: &[&str]| staging.resolved.iter().any(|kind| kinds.contains(&kind.as_str()));
        let changed = |kinds: &[&str]| {
            redacted(kinds) || resolved(kinds) || staging.staged.iter().any(|event| of(kinds, &event.pdu))
        };
        if changed(&OPENING) {
            let summary = self.summary(staging).await?;
            let is_open = summary.world_readable || summary.join_rule == "public";
            rooms::set_open(&mut staging.batch, staging.info.room_num, is_open);
        }
        if !staging.view.is_public {
            return Ok(());
        }
        if changed(&KINDS) {
            let summary = self.summary(staging).await?;
            public_rooms::put(&mut staging.batch, summary.public());
        } else if staging.staged.iter().any(|event| !event.members.is_empty()) {
            let joined = i64::try_from(staging.view.joined).unwrap_or(i64::MAX);
            public_rooms::set_joined(&mut staging.batch, staging.info.room_num, joined);
        }
        Ok(())
    }

    /// The summary of a room as it will be.
    async fn summary(&self, staging: &Staging) -> Result<Summary> {
        let mut state = Vec::with_capacity(KINDS.len());
        for kind in KINDS {
            let Some(key_num) = self.keys.find(kind, "").await? else { continue };
            let Some(event_num) = staging.view.state.get(&key_num).copied() else { continue };
            state.push(match staging.pdu(event_num) {
                Some(pdu) => pdu,
                None => Arc::clone(&self.events.get(event_num).await?.pdu),
            });
        }
        Ok(Summary::new(Arc::clone(&staging.info), staging.view.joined, state))
    }
}
