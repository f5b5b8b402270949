//! Which rooms and files come along with somebody beside their vault. They go on while these are copied: rooms that they make or enter meanwhile and files
//! that they upload come along like those of before.

use std::{collections::HashSet, sync::Arc};

use domicile_core::ids::RoomNum;
use domicile_store::table::portable::RoomOf;
use ruma::OwnedRoomId;

use super::{
    bring::Brought,
    copies::Traveller,
    leave::Leaving,
    messages::{BEGIN, Begin, Begun},
    progress::{Forbidden, ForbiddenRoom, Progress},
    rules::{has_left, is_joined},
};
use crate::{Error, Result};

/// Rooms that are brought while somebody's requests wait. Where there are more, they go on until these are there.
const ROOMS_FROZEN: usize = 3;

/// How much is brought at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    /// All that there is.
    None,
    /// What takes a moment: requests wait for it.
    Frozen,
}

/// What became of what is to come along.
#[derive(Debug)]
pub(super) enum Gathered {
    /// It is there.
    All,
    /// It is more than somebody's requests can wait for.
    TooMuch,
    /// The rules do not let it be.
    Refused(String),
}

/// Rooms of somebody that were not looked at before.
#[derive(Default)]
struct Fresh {
    /// Those that come along: they are in them, or have left them and not forgotten them.
    coming: Vec<RoomOf>,
    /// All that were looked at, but for those that they are to leave.
    seen: Vec<RoomOf>,
    /// Those of them that they have left.
    left: HashSet<RoomNum>,
    /// Whether there are some that they are to leave.
    is_to_leave: bool,
}

impl Leaving {
    /// Brings the rooms and files that were not looked at before.
    pub(super) async fn gather(
        &self,
        progress: &mut Progress,
        traveller: &Traveller,
        brought: &mut Brought,
        bound: Bound,
    ) -> Result<Gathered> {
        let fresh = match self.fresh(progress, traveller, brought).await? {
            Ok(fresh) => fresh,
            Err(why) => return Ok(Gathered::Refused(why)),
        };
        // They entered one meanwhile in which they cannot be from there: they leave it before requests wait.
        if bound == Bound::Frozen && fresh.is_to_leave {
            return Ok(Gathered::TooMuch);
        }
        if !brought.is_announced || !fresh.coming.is_empty() {
            self.tell_of_new_region(traveller, &fresh, bound).await?;
            let begun = self.announce(traveller, &fresh).await?;
            if bound == Bound::Frozen && begun.missing.len() + begun.ended.len() > ROOMS_FROZEN {
                return Ok(Gathered::TooMuch);
            }
            brought.is_announced = true;
            brought.files.extend(begun.media.iter().cloned());
            progress.rooms.of += fresh.coming.len() as u64;
            self.bring_rooms(progress, traveller, (&fresh.coming, &begun), brought).await?;
            let ids = fresh.coming.iter().map(|room| Ok((room_id(room)?, room.room_num)));
            let ids = ids.collect::<Result<Vec<(OwnedRoomId, RoomNum)>>>()?;
            self.complete_rooms(progress, traveller, &ids).await?;
            // They are opened before requests wait: with what they end goes along.
            for (_, room_num) in &ids {
                self.turner.rooms.by_num(*room_num).await?;
            }
        }
        brought.see(&fresh.seen);
        if self.bring_media(progress, traveller, brought, bound).await? {
            Ok(Gathered::All)
        } else {
            Ok(Gathered::TooMuch)
        }
    }

    /// The rooms that were not looked at before, or why the rules let nobody move with them.
    async fn fresh(
        &self,
        progress: &mut Progress,
        traveller: &Traveller,
        brought: &mut Brought,
    ) -> Result<Result<Fresh, String>> {
        let (user_num, user_id) = (traveller.user_num, &traveller.about.user_id);
        let mut seen = self.rooms_of(user_num).await?;
        seen.retain(|room| room.has_copy && (is_joined(room) || has_left(room)) && brought.is_fresh(room));
        brought.to_leave.clear();
        if seen.is_empty() {
            return Ok(Ok(Fresh::default()));
        }
        let forbidden = self.rules.forbidden(&traveller.to, user_num, &seen).await?;
        if !forbidden.is_empty() && progress.forbidden == Forbidden::Refuse {
            let why = format!(
                "the rules do not let {user_id} be in {} of their rooms from there: `domicile move --dry-run` lists them, and with `--forbidden leave` they are left",
                forbidden.len()
            );
            progress.forbidden_rooms = forbidden;
            return Ok(Err(why));
        }
        let going = self.rules.coming_along(user_num, &seen).await?;
        let going = going.into_iter().filter(|room| !forbidden.iter().any(|of| of.room_id == room.room_id));
        let mut coming: Vec<RoomOf> = going.cloned().collect();
        let in_them: HashSet<RoomNum> = coming.iter().map(|room| room.room_num).collect();
        let all = seen.len();
        // The others are left, and are looked at again then.
        seen.retain(|room| !is_joined(room) || in_them.contains(&room.room_num));
        let left = self.rules.left(&traveller.to, (user_num, user_id), &seen).await?;
        note(&mut progress.forbidden_rooms, &forbidden);
        note(&mut progress.kept_rooms, &left.kept);
        brought.to_leave = forbidden;
        let (is_to_leave, left) = (seen.len() < all, left.coming);
        let nums = left.iter().map(|room| room.room_num).collect();
        coming.extend(left);
        Ok(Ok(Fresh { coming, seen, left: nums, is_to_leave }))
    }

    /// Has people who share rooms with somebody told before the first copies of these go to the region of the new home. No request waits for that.
    async fn tell_of_new_region(&self, traveller: &Traveller, fresh: &Fresh, bound: Bound) -> Result<()> {
        let rooms = fresh.coming.iter().map(|room| room.room_num).collect();
        let new_regions = Arc::clone(&self.cells()?.new_regions);
        let Some(announcement) = new_regions.before(rooms, &traveller.to).await? else { return Ok(()) };
        let announced = async move { new_regions.announce(announcement).await };
        match bound {
            Bound::None => announced.await,
            Bound::Frozen => drop(tokio::spawn(announced)),
        }
        Ok(())
    }

    /// Says which rooms are to come, and asks what of them is there.
    async fn announce(&self, traveller: &Traveller, fresh: &Fresh) -> Result<Begun> {
        let tickets = self.cells()?.tickets.get(&traveller.about.user_id);
        let tickets = tickets.map(|history| history.tickets().to_vec()).unwrap_or_default();
        let rooms = fresh.coming.iter().map(room_id).collect::<Result<Vec<OwnedRoomId>>>()?;
        let left = fresh.coming.iter().filter(|room| fresh.left.contains(&room.room_num)).map(room_id);
        let left = left.collect::<Result<Vec<OwnedRoomId>>>()?;
        let begin = Begin { about: traveller.about.clone(), tickets, rooms, left };
        self.ask(&traveller.to, BEGIN, &begin).await
    }

    /// Takes somebody out of the rooms that do not come along: those in which they cannot be from their new home, and that of this cell's notices.
    pub(super) async fn leave_behind(&self, traveller: &Traveller, brought: &mut Brought) -> Result<()> {
        let (user_num, user_id) = (traveller.user_num, &traveller.about.user_id);
        self.rules.leave(user_num, user_id, &std::mem::take(&mut brought.to_leave)).await?;
        self.rules.leave_notices(user_num, user_id).await?;
        Ok(())
    }
}

pub(super) fn room_id(room: &RoomOf) -> Result<OwnedRoomId> {
    OwnedRoomId::try_from(room.room_id.as_str()).map_err(Error::internal)
}

/// Adds those that are not named yet.
fn note(known: &mut Vec<ForbiddenRoom>, rooms: &[ForbiddenRoom]) {
    for room in rooms {
        if !known.iter().any(|of| of.room_id == room.room_id) {
            known.push(room.clone());
        }
    }
}
