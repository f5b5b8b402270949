//! What somebody who moves brings along beside their vault: copies of their rooms, and their files.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use domicile_core::{
    ids::{Position, RoomNum},
    locality::{CellName, Destination},
};
use domicile_store::{
    event_id,
    table::{
        destinations, media, outgoing_events,
        portable::{self, RoomOf},
    },
};
use futures::{StreamExt, TryStreamExt, stream};
use http::{Method, Request};
use ruma::OwnedEventId;

use super::{
    copies::Traveller,
    gather::Bound,
    leave::{FILES, LARGE, Leaving, told},
    messages::{self, Absent, Begun, FILE_PIECE, FilePiece, ROOM, RoomPart, Taken},
    progress::{Count, ForbiddenRoom, Progress},
    rules::{has_left, is_joined},
    steps,
};
use crate::{
    Error, Result,
    federation::{OneAtATime, peers},
};

/// Rooms that are brought at once.
const ROOMS_AT_ONCE: usize = 4;
/// Bytes of a piece of a file. A piece is signed as a whole, so it is in memory as a whole: one of each who moves.
const PIECE: usize = 8 * 1_024 * 1_024;
/// How far apart in their rooms two people begin of whom one came after the other.
const SPREAD: usize = 13;
/// How often it is looked how far the other cell has been told.
const LOOK: Duration = Duration::from_millis(20);

/// Bytes of files that are brought while somebody's requests wait, and how many files.
const BYTES_FROZEN: i64 = 8 * 1_024 * 1_024;
const FILES_FROZEN: usize = 20;

/// What the new home has of what comes along with somebody, as far as this attempt knows.
#[derive(Clone, Debug, Default)]
pub(super) struct Brought {
    /// Rooms of which it was given a copy for this move, and up to where.
    copied: HashMap<RoomNum, Position>,
    /// Rooms that were looked at, each with whether the person was in it.
    seen: HashMap<RoomNum, bool>,
    /// Rooms of which it says that it lacks them.
    lacked: HashSet<RoomNum>,
    /// Files that it has, or that are nowhere any more.
    pub(super) files: HashSet<String>,
    /// Whether it was told that they come.
    pub(super) is_announced: bool,
    /// Rooms that they are to leave before they go.
    pub(super) to_leave: Vec<ForbiddenRoom>,
}

impl Brought {
    /// Whether a room was not looked at yet, or they have entered or left it since.
    pub(super) fn is_fresh(&self, room: &RoomOf) -> bool {
        self.seen.get(&room.room_num) != Some(&is_joined(room))
    }

    /// Notes that rooms were looked at, and were brought if they come along.
    pub(super) fn see(&mut self, rooms: &[RoomOf]) {
        self.seen.extend(rooms.iter().map(|room| (room.room_num, is_joined(room))));
        for room in rooms {
            self.lacked.remove(&room.room_num);
        }
    }

    /// Notes that the new home lacks some of what was taken to be there.
    pub(super) fn lack(&mut self, absent: &Absent, rooms: &[RoomOf]) {
        for media_id in &absent.media {
            self.files.remove(media_id);
        }
        let named = rooms.iter().filter(|room| absent.rooms.iter().any(|id| *id == *room.room_id));
        for room in named {
            self.seen.remove(&room.room_num);
            self.copied.remove(&room.room_num);
            self.lacked.insert(room.room_num);
        }
    }
}

/// What of a room is to be brought: after a place, up to another; without them from its beginning, up to its end.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    since: Option<Position>,
    until: Option<Position>,
    /// Whether the new home lacks it although it was brought: then it is brought again, whatever others have brought.
    again: bool,
}

/// Rooms that are being brought to a cell, each with up to where somebody who is on the way has brought it.
pub(super) type Bringing = OneAtATime<(CellName, RoomNum), Option<Position>>;
type Turn = tokio::sync::Mutex<Option<Position>>;

impl Leaving {
    /// Brings the copies of those rooms that are not there yet, and notes which.
    pub(super) async fn bring_rooms(
        &self,
        progress: &mut Progress,
        traveller: &Traveller,
        (coming, begun): (&[RoomOf], &Begun),
        brought: &mut Brought,
    ) -> Result<()> {
        let mut missing = Vec::with_capacity(begun.missing.len() + begun.ended.len());
        for room in coming {
            let again = brought.lacked.contains(&room.room_num);
            let is_missing = again || begun.missing.iter().any(|id| *id == *room.room_id);
            let since = match begun.ended.iter().find(|(id, _)| *id == *room.room_id) {
                Some((_, ends)) if !again => self.place_of(ends).await?,
                _ if is_missing => None,
                _ => continue,
            };
            // One that they have left comes as far as they were there.
            let until = (!is_joined(room)).then_some(room.position);
            missing.push((room.room_num, Stretch { since, until, again }));
        }
        progress.rooms.done = progress.rooms.of - missing.len() as u64;
        self.live.set(&traveller.about.move_id, progress);
        // People who move at the same time are often in the same rooms: each begins with another one, and what one has brought no other brings.
        let first = usize::try_from(traveller.user_num.0.unsigned_abs()).unwrap_or_default().wrapping_mul(SPREAD);
        let first = first.checked_rem(missing.len()).unwrap_or_default();
        missing.rotate_left(first);
        let turns: Vec<_> =
            missing.into_iter().map(|of| (of, self.bringing.of((traveller.to.clone(), of.0)))).collect();
        let mut bringing = stream::iter(turns.clone())
            .map(|(of, turn)| self.bring_in_turn(traveller, of, turn))
            .buffer_unordered(ROOMS_AT_ONCE);
        while let Some((room_num, upto, events)) = bringing.try_next().await? {
            brought.copied.insert(room_num, upto);
            progress.events += events;
            progress.rooms.done += 1;
            self.live.set(&traveller.about.move_id, progress);
        }
        Ok(())
    }

    /// The place of the first of some events; nothing if none of them is in a timeline here.
    async fn place_of(&self, ids: &[OwnedEventId]) -> Result<Option<Position>> {
        let ids: Vec<Bytes> = ids.iter().map(|id| event_id::to_bytes(id)).collect();
        let read = self.turner.store.read(move |snapshot| async move { portable::event_nums(&snapshot, &ids).await });
        Ok(read.await?.into_values().filter_map(|(_, position)| position).min())
    }

    /// Brings a room's copy, or what is missing of it, unless somebody else has brought it meanwhile. Gives up to where it is there, and how many events
    /// were brought.
    async fn bring_in_turn(
        &self,
        traveller: &Traveller,
        (room_num, stretch): (RoomNum, Stretch),
        turn: Arc<Turn>,
    ) -> Result<(RoomNum, Position, u64)> {
        let mut brought = turn.lock().await;
        if stretch.again {
            *brought = None;
        }
        let until = match (stretch.until, *brought) {
            // Who is in the room is brought the rest with the news.
            (None, Some(brought)) => return Ok((room_num, brought, 0)),
            (None, None) => self.head().await?,
            // Somebody who has left it before them brought less of it.
            (Some(until), Some(brought)) if brought >= until => return Ok((room_num, brought, 0)),
            (Some(until), _) => until,
        };
        let since = brought.or(stretch.since);
        let events = self.bring_room(traveller, room_num, (since, until)).await?;
        *brought = Some(until);
        Ok((room_num, until, events))
    }

    /// Up to where the new home has been told what is said in rooms of which it had a copy.
    async fn told(&self, traveller: &Traveller) -> Result<Position> {
        let to = Destination::Cell(traveller.to.clone()).to_string();
        let read = self.turner.store.read(move |snapshot| async move {
            let head = snapshot.head().await?;
            let Some(num) = destinations::by_name(&snapshot, &to).await? else { return Ok::<_, Error>(head) };
            let Some(told) = destinations::by_num(&snapshot, num).await? else { return Ok(head) };
            let told = told.position.min(head);
            // Most of what comes after it is nothing to that cell; that it has passed it is noted in memory alone.
            let is_all_there = outgoing_events::purged(&snapshot).await? <= told;
            let is_told =
                is_all_there && outgoing_events::of_destination(&snapshot, num, told, head, 1).await?.is_empty();
            Ok(if is_told { head } else { told })
        });
        read.await
    }

    /// Waits until the new home has been told all that there is now, as long as it is told more within the patience. Says how far it has been told.
    ///
    /// What is told to a cell in its turn is told once; what is brought is brought for everyone who moves, so in a room in which many of them are
    /// it is brought as often.
    async fn let_it_be_told(&self, traveller: &Traveller, patience: Duration) -> Result<Position> {
        let (head, mut told) = (self.head().await?, self.told(traveller).await?);
        let mut since = tokio::time::Instant::now();
        while told < head && since.elapsed() < patience {
            tokio::time::sleep(LOOK).await;
            let further = self.told(traveller).await?;
            if further > told {
                (told, since) = (further, tokio::time::Instant::now());
            }
        }
        Ok(told)
    }

    /// Brings what has been said and not been told in rooms that the person is in or has left meanwhile, in the order of those that are told. Gives all
    /// rooms with which they have to do.
    pub(super) async fn bring_news(
        &self,
        traveller: &Traveller,
        brought: &mut Brought,
        patience: Duration,
    ) -> Result<Vec<RoomOf>> {
        let told = self.let_it_be_told(traveller, patience).await?;
        let head = self.head().await?;
        let rooms = self.rooms_of(traveller.user_num).await?;
        // Most people's rooms are quiet: nothing was said in them since.
        for room in &rooms {
            let since = brought.copied.get(&room.room_num).copied().unwrap_or(told);
            let until = if is_joined(room) { head } else { room.position };
            // With one that they have left comes that they left it, where their new home has a copy.
            let is_there = is_joined(room) || (has_left(room) && brought.copied.contains_key(&room.room_num));
            if is_there && until > since && room.last_position > since {
                self.bring_room(traveller, room.room_num, (Some(since), until)).await?;
            }
        }
        brought.copied.values_mut().for_each(|upto| *upto = head);
        Ok(rooms)
    }

    async fn head(&self) -> Result<Position> {
        Ok(self.turner.store.read(|snapshot| async move { snapshot.head().await }).await?)
    }

    /// Brings what a room has after a position, or all of it, up to another. People go on writing there: who followed them would have no end.
    async fn bring_room(
        &self,
        traveller: &Traveller,
        room_num: RoomNum,
        (since, until): (Option<Position>, Position),
    ) -> Result<u64> {
        let room = self.turner.rooms.by_num(room_num).await?;
        // One whose members are still being fetched is brought with all of them.
        self.turner.rooms.with_members(&room).await?;
        let (mut after, mut events) = (since, 0);
        while let Some((part, last)) = self.copies.part(traveller, &room, (after, until)).await? {
            let taken: Taken = self.ask_large::<RoomPart, Taken>(&traveller.to, ROOM, &part).await?;
            if taken.left_out > 0 {
                tracing::info!(left_out = taken.left_out, "events of a room are no part of it at another cell");
            }
            events += taken.events as u64;
            after = Some(last);
        }
        Ok(events)
    }

    /// Brings the files that are not there yet; `false` if they are more than the bound lets be.
    pub(super) async fn bring_media(
        &self,
        progress: &mut Progress,
        traveller: &Traveller,
        brought: &mut Brought,
        bound: Bound,
    ) -> Result<bool> {
        let user_num = traveller.user_num;
        let mut after = String::new();
        let (mut bytes, mut files) = (0_i64, 0);
        progress.media = Count::default();
        loop {
            let from = after.clone();
            let store = &self.turner.store;
            let read =
                store.read(move |snapshot| async move { media::of_user(&snapshot, user_num, &from, FILES).await });
            let page = read.await?;
            let Some(last) = page.last() else { return Ok(true) };
            after.clone_from(&last.media_id);
            progress.media.of += page.len() as u64;
            for file in page {
                let is_there = brought.files.contains(&file.media_id);
                if let Some(hash) = file.content_hash.filter(|_| !is_there) {
                    (bytes, files) = (bytes.saturating_add(file.byte_size), files + 1);
                    if bound == Bound::Frozen && (bytes > BYTES_FROZEN || files > FILES_FROZEN) {
                        return Ok(false);
                    }
                    if !self.bring_file(traveller, &file.media_id, hash).await? {
                        progress.lost_files.push(file.media_id.clone());
                    }
                    brought.files.insert(file.media_id);
                }
                progress.media.done += 1;
                self.live.set(&traveller.about.move_id, progress);
            }
        }
    }

    /// Brings a file; `false` if its content is not here.
    async fn bring_file(&self, traveller: &Traveller, media_id: &str, hash: Bytes) -> Result<bool> {
        let Some(mut content) = self.blobs.open(traveller.user_num, hash).await? else {
            tracing::warn!(media_id, "a file is named in the database and is not there");
            return Ok(false);
        };
        let (mut after, mut bytes) = (0, Vec::new());
        loop {
            let read = content.next().await.transpose().map_err(Error::internal)?;
            let is_last = read.is_none();
            bytes.extend_from_slice(&read.unwrap_or_default());
            if bytes.len() >= PIECE || is_last {
                let (about, media_id) = (traveller.about.clone(), media_id.to_owned());
                let which = FilePiece { about, media_id, after, is_last };
                after += bytes.len() as u64;
                self.bring_piece(&traveller.to, &which, Bytes::from(std::mem::take(&mut bytes))).await?;
            }
            if is_last {
                return Ok(true);
            }
        }
    }

    async fn bring_piece(&self, to: &CellName, which: &FilePiece, bytes: Bytes) -> Result<()> {
        let which = serde_json::to_string(which).map_err(Error::internal)?;
        let request = Request::builder()
            .method(Method::POST)
            .uri(FILE_PIECE)
            .header(messages::ABOUT_FILE, domicile_store::walk::rows::hex(which.as_bytes()));
        let request = request.body(bytes).map_err(Error::internal)?;
        steps::asks(FILE_PIECE);
        let answer = self.link.ask(to, request, LARGE).await.map_err(|error| told(to, &error))?;
        if answer.status().as_u16() >= 300 {
            return Err(told(to, &peers::refusal(&answer)));
        }
        steps::answered(FILE_PIECE);
        Ok(())
    }
}
