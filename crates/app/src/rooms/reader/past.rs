//! Reading beyond the beginning of what is here: more is fetched from servers in the room, within the time that a client waits.

use std::sync::Arc;

use domicile_core::ids::Position;
use domicile_store::table::events as event_rows;
use tokio::time::{Duration, Instant};

use super::RoomReader;
use crate::{Result, accounts::Session, federation::history::Fetched, rooms::Room};

/// Longest wait for what other servers have.
const PATIENCE: Duration = Duration::from_secs(10);

/// How far one reader has waited for a room's past.
pub(super) struct Past {
    end: Instant,
}

/// What can be read after a look beyond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beyond {
    /// There is more here than before: read again.
    More,
    /// There is more elsewhere. Whoever asks again from this place may get it.
    Later(Position),
    /// There is nothing that this reader may see.
    Nothing,
}

impl Past {
    pub(super) fn new() -> Self {
        Self { end: Instant::now() + PATIENCE }
    }

    /// How long the reader waits yet.
    pub(super) fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }
}

impl RoomReader {
    /// Fetches what lies before everything that is here, for a member who may see where it begins.
    pub(super) async fn beyond(&self, session: &Session, room: &Arc<Room>, past: &Past) -> Result<Beyond> {
        let room_num = room.info.room_num;
        // The past is judged by whole states only.
        let left = past.left();
        self.parts.rooms.wait_for_members(room, left).await;
        if !room.view().is_joined(session.user_num) || !self.history.is_missing(room_num).await? {
            return Ok(Beyond::Nothing);
        }
        let (parts, session, seen) = (Arc::clone(&self.parts), session.clone(), Arc::clone(room));
        let first = self.parts.store.read(move |snapshot| async move {
            let Some((first, _)) = event_rows::ends(&snapshot, room_num).await? else { return Ok(None) };
            let before = Position(first.0 - 1);
            let mut eyes = parts.eyes(&snapshot, &seen, &session).await?;
            for row in event_rows::forwards(&snapshot, room_num, before, first, 1).await? {
                let event = parts.events.stored(&snapshot, row).await?;
                // Whoever may not see the first event sees nothing of what came before it.
                if eyes.sees(&parts.sight(), &snapshot, &event).await? {
                    return Ok(Some(before));
                }
            }
            Ok::<_, crate::Error>(None)
        });
        let Some(before) = first.await? else { return Ok(Beyond::Nothing) };
        let left = past.left();
        if left.is_zero() {
            return Ok(Beyond::Later(before));
        }
        Ok(match self.history.fetch(room, None, left).await? {
            Fetched::More => Beyond::More,
            Fetched::NotNow => Beyond::Later(before),
            Fetched::Everything => Beyond::Nothing,
        })
    }
}
