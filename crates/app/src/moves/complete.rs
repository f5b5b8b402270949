//! What the new home lacks of rooms of which it has a copy already, at the cell that somebody leaves: it is let fetch what was said before its copy begins,
//! and is told what somebody who comes may see and nobody there was to.

use std::collections::HashSet;

use domicile_core::ids::RoomNum;
use ruma::OwnedRoomId;

use super::{
    copies::Traveller,
    leave::Leaving,
    messages::{CONTENT, Content, EMPTY, Emptied, InRoom, LACKING, Lacking, Lacks, PAST, PastTaken, Taken},
    progress::Progress,
};
use crate::Result;

impl Leaving {
    /// Completes the new home's copies of rooms. What others are bringing there comes first.
    pub(super) async fn complete_rooms(
        &self,
        progress: &mut Progress,
        traveller: &Traveller,
        rooms: &[(OwnedRoomId, RoomNum)],
    ) -> Result<()> {
        if rooms.is_empty() {
            return Ok(());
        }
        for (_, room_num) in rooms {
            if let Some(turn) = self.bringing.at_work(&(traveller.to.clone(), *room_num)) {
                drop(turn.lock().await);
            }
        }
        let ids = rooms.iter().map(|(room_id, _)| room_id.clone()).collect();
        let lacking = Lacking { about: traveller.about.clone(), rooms: ids };
        let Lacks { past, content } = self.ask(&traveller.to, LACKING, &lacking).await?;
        for room_id in &past {
            loop {
                let of = InRoom { about: traveller.about.clone(), room_id: room_id.clone(), after: 0 };
                let taken: PastTaken = self.ask_large(&traveller.to, PAST, &of).await?;
                progress.events += taken.events as u64;
                self.live.set(&traveller.about.move_id, progress);
                if !taken.more {
                    break;
                }
            }
        }
        // What has just come has come without what this cell's own people alone may see.
        let lacking: HashSet<OwnedRoomId> = past.into_iter().chain(content).collect();
        for room_id in lacking {
            self.bring_content(progress, traveller, room_id).await?;
        }
        Ok(())
    }

    /// Brings what events say that the new home has without it.
    async fn bring_content(&self, progress: &mut Progress, traveller: &Traveller, room_id: OwnedRoomId) -> Result<()> {
        // It went with an earlier attempt, and all of it had been brought before.
        let Some(room_num) = self.turner.rooms.num(&room_id).await? else { return Ok(()) };
        let room = self.turner.rooms.by_num(room_num).await?;
        let mut of = InRoom { about: traveller.about.clone(), room_id: room_id.clone(), after: 0 };
        loop {
            let Emptied { events, next } = self.ask(&traveller.to, EMPTY, &of).await?;
            let (tickets, events) = self.copies.content(traveller, &room, events).await?;
            if !events.is_empty() {
                let about = traveller.about.clone();
                let content = Content { about, room_id: room_id.clone(), tickets, events };
                let taken: Taken = self.ask_large(&traveller.to, CONTENT, &content).await?;
                progress.events += taken.events as u64;
                self.live.set(&traveller.about.move_id, progress);
            }
            match next {
                Some(next) => of.after = next,
                None => return Ok(()),
            }
        }
    }
}
