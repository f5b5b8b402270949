//! Searching what people wrote (client-server, *Server Side Search*): in rooms that are not encrypted, by those who may see it.
//!
//! Words go into the index some seconds after they were written, many at once, or before a search of somebody who is in the room; so a message
//! pays nothing for it on its way. The database tells which events have the words, in rooms of the reader's, the newest first. Visibility, filter and rank are decided here,
//! over a bounded number of them; so a search costs the same in a room of any size.

mod find;
mod index;
mod show;

use std::{collections::BTreeMap, sync::Arc};

use domicile_core::{error::ErrorKind, ids::EventNum};
use domicile_room::words;
pub use domicile_room::words::Field;
use ruma::{OwnedEventId, OwnedRoomId, OwnedUserId};
use serde_json::value::RawValue;

use crate::{
    Result,
    accounts::Session,
    rooms::{RoomReader, reader::RoomReaderParts},
    sync::filter::EventChoice,
};

/// Words that are looked for at most; those after them are left out.
const WORDS: usize = 32;
/// Events with the words that are looked at for one answer.
const CANDIDATES: usize = 500;

/// The service.
pub struct Search {
    parts: Arc<RoomReaderParts>,
    indexing: index::Indexing,
}

/// What is looked for, and how it is to be told.
#[derive(Clone, Debug)]
pub struct SearchRequest {
    /// The words.
    pub term: String,
    /// Where they are looked for.
    pub fields: Vec<Field>,
    /// In which rooms, by whom, of which types.
    pub choice: EventChoice,
    /// Whether the best come first; else the newest.
    pub by_rank: bool,
    /// Results at most.
    pub limit: usize,
    /// Events around each result, if they are wanted.
    pub context: Option<ContextWanted>,
    /// Whether the current state of the results' rooms is wanted.
    pub include_state: bool,
    /// Where an earlier answer ended.
    pub from: Option<Cursor>,
}

/// What is wanted around a result.
#[derive(Clone, Copy, Debug)]
pub struct ContextWanted {
    /// Events before it at most.
    pub before: usize,
    /// Events after it at most.
    pub after: usize,
    /// Whether the names of those who sent them are wanted.
    pub profiles: bool,
}

/// Where a search goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Only events with a number below this are looked at.
    below: EventNum,
    /// Results that were given already: they are passed over where the order is that of rank, and counted in any.
    given: usize,
}

/// What was found.
#[derive(Debug, Default)]
pub struct SearchAnswer {
    /// The words that were looked for.
    pub words: Vec<String>,
    /// About how many results there are.
    pub count: usize,
    /// The results in their order.
    pub results: Vec<Found>,
    /// The state of their rooms.
    pub state: BTreeMap<OwnedRoomId, Vec<Box<RawValue>>>,
    /// Where it goes on; none at the end.
    pub next: Option<Cursor>,
}

/// A result.
#[derive(Debug)]
pub struct Found {
    /// How well it fits.
    pub rank: f64,
    /// The room.
    pub room_id: OwnedRoomId,
    /// Who wrote it.
    pub sender: OwnedUserId,
    /// Its id.
    pub event_id: OwnedEventId,
    /// The event.
    pub event: Box<RawValue>,
    /// What stands around it.
    pub context: Option<FoundContext>,
}

/// What stands around a result.
#[derive(Debug)]
pub struct FoundContext {
    /// Events before it, the newest first.
    pub before: Vec<Box<RawValue>>,
    /// Events after it, the oldest first.
    pub after: Vec<Box<RawValue>>,
    /// Where it goes on backwards.
    pub start: domicile_core::ids::Position,
    /// Where it goes on forwards.
    pub end: domicile_core::ids::Position,
    /// What those who sent them called themselves then: name and picture.
    pub profiles: BTreeMap<OwnedUserId, (Option<String>, Option<String>)>,
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "f{}_{}", self.below, self.given)
    }
}

impl std::str::FromStr for Cursor {
    type Err = crate::Error;

    fn from_str(text: &str) -> Result<Self> {
        let read = || {
            let (below, given) = text.strip_prefix('f')?.split_once('_')?;
            Some(Self { below: EventNum(below.parse().ok()?), given: given.parse().ok()? })
        };
        read().ok_or_else(|| ErrorKind::InvalidParam.with("`next_batch` is no token of this server.").into())
    }
}

impl Search {
    /// Over the parts of a reader.
    pub fn new(reader: &RoomReader) -> Self {
        Self { parts: Arc::clone(reader.parts()), indexing: index::Indexing::default() }
    }

    /// Searches what a user may see.
    pub async fn search(&self, session: &Session, request: SearchRequest) -> Result<SearchAnswer> {
        let mut words = words::words(&request.term);
        words.truncate(WORDS);
        words.dedup();
        if words.is_empty() || request.fields.is_empty() {
            return Ok(SearchAnswer::default());
        }
        // What was written a moment ago is found too.
        self.index_for(session.user_num).await?;
        let (parts, session) = (Arc::clone(&self.parts), session.clone());
        self.parts
            .store
            .read(move |snapshot| async move {
                let seeker = find::Seeker::new(&parts, &snapshot, &session, &request, &words);
                let (hits, found) = seeker.find().await?;
                let mut answer = show::show(&parts, &snapshot, &session, &request, hits).await?;
                answer.words.clone_from(&words);
                answer.count = found.count;
                answer.next = found.next;
                Ok(answer)
            })
            .await
    }
}

/// The query of the database: each word in one of the fields, in one of the rooms.
fn query(words: &[String], fields: &[Field], rooms: &[i64]) -> String {
    let any = |words: Vec<String>| format!("({})", words.join(" OR "));
    let spelled = |word: &String| any(fields.iter().map(|field| format!("{}{word}", field.letter())).collect());
    let mut parts: Vec<String> = words.iter().map(spelled).collect();
    parts.push(any(rooms.iter().map(|room_num| format!("r{room_num}")).collect()));
    parts.join(" AND ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_asked_for_in_every_field_and_room() {
        let words = ["cake".to_owned(), "tea".to_owned()];
        let found = query(&words, &[Field::Body, Field::Name], &[7, 8]);
        assert_eq!(found, "(bcake OR ncake) AND (btea OR ntea) AND (r7 OR r8)");
    }

    #[test]
    fn cursors_come_back_and_nonsense_does_not() {
        let cursor = Cursor { below: EventNum(5), given: 10 };
        assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
        for nonsense in ["", "f", "f1", "fx_1", "f1_-1", "t5"] {
            assert!(nonsense.parse::<Cursor>().is_err(), "{nonsense}");
        }
    }
}
