//! Putting words into the index, behind the messages.
//!
//! A room's cursor says how far it is; cursor and words move in one batch. An encrypted room is marked as done for good and never read.

use std::sync::Arc;

use domicile_core::ids::{EventNum, Position, RoomNum, UserNum};
use domicile_room::words;
use domicile_store::{
    Batch, Snapshot,
    table::{events as event_rows, search},
};
use parking_lot::Mutex;

use super::Search;
use crate::{
    Result,
    rooms::{Room, reader::RoomReaderParts},
};

/// Events of a room that go into the index in one batch.
const CHUNK: i64 = 2_048;
/// Chunks in one round: the rest waits for the next.
const ROUND: usize = 10;
/// Rooms that are looked for at once when the server has started.
const ROOMS: i64 = 1_000;
/// The cursor of a room in which nothing is ever searched.
const DONE: Position = Position(i64::MAX);
/// The cursor of a room of which nothing is in the index.
const NOTHING: Position = Position(i64::MIN);

/// How far the work is.
#[derive(Default)]
pub(super) struct Indexing {
    /// The last room that was asked since the start whether it is behind; none when all were.
    asked: Mutex<Asked>,
}

/// Which rooms were asked whether they are behind: what a stopped process had noted is found again.
#[derive(Clone, Copy, Default)]
enum Asked {
    #[default]
    None,
    UpTo(RoomNum),
    All,
}

/// What the next events of a room are to the index.
struct Chunk {
    from: Option<Position>,
    to: Position,
    words: Vec<(EventNum, String)>,
    more: bool,
}

impl Search {
    /// Puts the words of what was written lately into the index, and once after a start those of what a stopped process left.
    pub async fn index_new_words(&self) -> Result<()> {
        self.ask_who_is_behind().await?;
        self.index(self.parts.rooms.take_noted(|_| true), false).await
    }

    /// The same for the rooms in which somebody is, who waits for it.
    pub(super) async fn index_for(&self, user_num: UserNum) -> Result<()> {
        let rooms = &self.parts.rooms;
        let is_theirs = |room_num: RoomNum| {
            rooms.in_memory(room_num).is_none_or(|room| room.view().members.contains_key(&user_num))
        };
        self.index(rooms.take_noted(is_theirs), true).await
    }

    async fn ask_who_is_behind(&self) -> Result<()> {
        let asked = *self.indexing.asked.lock();
        let after = match asked {
            Asked::All => return Ok(()),
            Asked::None => RoomNum(0),
            Asked::UpTo(room_num) => room_num,
        };
        let store = &self.parts.store;
        let found = store.read(move |snapshot| async move { search::behind(&snapshot, after, ROOMS).await }).await?;
        let full = i64::try_from(found.len()).unwrap_or(ROOMS) >= ROOMS;
        *self.indexing.asked.lock() = match found.last() {
            Some(last) if full => Asked::UpTo(*last),
            _ => Asked::All,
        };
        for room_num in found {
            self.parts.rooms.note_words(room_num);
        }
        Ok(())
    }

    async fn index(&self, rooms: Vec<RoomNum>, urgent: bool) -> Result<()> {
        let mut left = ROUND;
        let mut rooms = rooms.into_iter();
        while let Some(room_num) = rooms.next() {
            let outcome = self.index_room(room_num, urgent, &mut left).await;
            if outcome.is_err() || left == 0 {
                // What is not done is noted again.
                self.parts.rooms.note_words(room_num);
                rooms.for_each(|room_num| self.parts.rooms.note_words(room_num));
                return outcome;
            }
        }
        Ok(())
    }

    async fn index_room(&self, room_num: RoomNum, urgent: bool, left: &mut usize) -> Result<()> {
        while *left > 0 {
            *left -= 1;
            let parts = Arc::clone(&self.parts);
            let read = self.parts.store.read(move |snapshot| async move { parts.chunk(&snapshot, room_num).await });
            let Some(chunk) = read.await? else { return Ok(()) };
            let mut batch = Batch::new();
            search::advance(&mut batch, room_num, chunk.from, chunk.to);
            for (event_num, words) in &chunk.words {
                search::insert(&mut batch, *event_num, words);
            }
            if !urgent {
                batch.low_priority();
            }
            match self.parts.store.write(batch).await {
                Ok(_) if chunk.more => {}
                Ok(_) => return Ok(()),
                // Somebody was faster: a search beside the round, or another node.
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

impl RoomReaderParts {
    /// The next events of a room that are not in the index; none if there are none.
    async fn chunk(&self, snapshot: &Snapshot, room_num: RoomNum) -> Result<Option<Chunk>> {
        let from = search::cursor(snapshot, room_num).await?;
        if from == Some(DONE) {
            return Ok(None);
        }
        let room: Arc<Room> = self.rooms.load(snapshot, room_num).await?;
        if room.view().facts.encrypted {
            return Ok(Some(Chunk { from, to: DONE, words: Vec::new(), more: false }));
        }
        let head = snapshot.head().await?;
        let rows = event_rows::forwards(snapshot, room_num, from.unwrap_or(NOTHING), head, CHUNK).await?;
        let Some(to) = rows.last().and_then(|row| row.position) else { return Ok(None) };
        let more = i64::try_from(rows.len()).unwrap_or(CHUNK) >= CHUNK;
        let mut words = Vec::new();
        for row in rows {
            let event = self.events.stored(snapshot, row).await?;
            if let Some((field, text)) = words::searchable(&event.pdu) {
                words.push((event.event_num, words::index(field, &text, room_num.0)));
            }
        }
        Ok(Some(Chunk { from, to, words, more }))
    }
}
