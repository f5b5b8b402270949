//! Finding people by a word of their name, as far as the searcher may know of them: who shares a room with them, or is in a room that
//! anybody may join or read. People of other cells who are in rooms that anybody may join or read are found there when somebody searches, and are kept
//! nowhere else; a region that withholds its people's names tells none.

use std::{collections::HashSet, sync::Arc, time::Duration};

use domicile_core::{
    error::ErrorKind,
    ids::{RoomNum, UserNum},
    locality::{Destination, Locality},
};
use domicile_store::{
    Snapshot, Store,
    table::{memberships, profile_fields, user_words, users as rows},
};
use ruma::{OwnedRoomId, OwnedUserId, UserId};

use serde::{Deserialize, Serialize};

use super::{Session, Users};
use crate::{Error, Result, federation::Bounds};

/// Where another cell is asked for people of its own.
pub const FIND_PEOPLE: &str = "/_domicile/inner/v1/people/find";
/// What that may cost: somebody waits for it who has found people here already.
const CELL_BOUNDS: Bounds = Bounds { time: Duration::from_secs(2), bytes: 256 * 1024 };

/// People that a search shows at most.
const LARGEST_LIMIT: usize = 50;
/// Letters of a term that another cell is told.
const TERM: usize = 256;
/// People whose names are looked at for one search.
const LOOKED_AT: i64 = 2_000;
/// People whose rooms are looked at together.
const AT_ONCE: usize = 200;
/// Words of a name that are kept, words of a search that are used, and bytes of each.
const WORDS: (usize, usize, usize) = (16, 5, 64);
/// Rooms of a page of mutual rooms.
const ROOMS: i64 = 100;

/// Somebody who was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The Matrix id.
    pub user_id: OwnedUserId,
    /// What they call themselves.
    pub display_name: Option<String>,
    /// Their picture.
    pub avatar_url: Option<String>,
}

/// A question for people of another cell. Who searches is not told.
#[derive(Debug, Serialize, Deserialize)]
pub struct PeopleQuestion {
    /// What is searched for.
    pub term: String,
    /// People at most.
    pub limit: u64,
}

/// Those whom it fits, and whether there are more.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct PeopleFound {
    /// The people.
    pub found: Vec<Found>,
    /// Whether there are more.
    pub limited: bool,
}

/// A page of rooms that two people are in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MutualRooms {
    /// The rooms.
    pub rooms: Vec<OwnedRoomId>,
    /// How many there are, on all pages.
    pub count: u64,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// The directory of people.
pub struct UserDirectory {
    store: Store,
    users: Arc<Users>,
}

impl UserDirectory {
    /// Over a store.
    pub fn new(store: Store, users: Arc<Users>) -> Self {
        Self { store, users }
    }

    /// At most `limit` people whom a term fits, and whether there are more. Those of other cells come last.
    pub async fn search(&self, by: &Session, term: &str, limit: u64) -> Result<(Vec<Found>, bool)> {
        let limit = limited_to(limit);
        let (mut found, mut limited) = self.search_here(by.user_num, term, limit).await?;
        let Some(cells) = self.users.localities().cells().filter(|_| found.len() < limit) else {
            return Ok((found, limited));
        };
        let question = PeopleQuestion { term: term.chars().take(TERM).collect(), limit: limit as u64 };
        for (cell, told) in cells.names.ask_others::<PeopleFound>(FIND_PEOPLE, &question, CELL_BOUNDS).await {
            limited |= told.limited;
            for somebody in told.found.into_iter().take(limit) {
                // A cell speaks for its own people alone.
                let is_theirs = match self.users.localities().of(&somebody.user_id) {
                    Locality::Unknown => somebody.user_id.server_name() == self.users.server_name(),
                    Locality::Elsewhere(Destination::Cell(home)) => home == cell,
                    _ => false,
                };
                if is_theirs && !found.iter().any(|known| known.user_id == somebody.user_id) {
                    found.push(somebody);
                }
            }
        }
        limited |= found.len() > limit;
        found.truncate(limit);
        Ok((found, limited))
    }

    /// What another cell is told: people whose home is here, and who are in a room that anybody may join or read.
    pub async fn search_for(&self, question: &PeopleQuestion) -> Result<PeopleFound> {
        if !self.users.localities().shows_own_people() {
            return Ok(PeopleFound::default());
        }
        let limit = limited_to(question.limit);
        let term: String = question.term.chars().take(TERM).collect();
        let (mut found, limited) = self.search_here(UserNum::NOBODY, &term, limit).await?;
        found.retain(|somebody| self.users.localities().of(&somebody.user_id) == Locality::Here);
        Ok(PeopleFound { found, limited })
    }

    async fn search_here(&self, searcher: UserNum, term: &str, limit: usize) -> Result<(Vec<Found>, bool)> {
        let exact = match UserId::parse(term.trim()) {
            Ok(user_id) if !term.contains('\0') => self.users.num(&user_id).await?,
            _ => None,
        };
        let name = term.trim().trim_start_matches('@');
        let mut words = words_of(name.split(':').next().unwrap_or_default());
        words.truncate(WORDS.1);
        // The longest word leaves the fewest people.
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        self.store
            .read(move |snapshot| async move {
                let mut nums: Vec<UserNum> = exact.into_iter().filter(|exact| *exact != searcher).collect();
                nums.extend(candidates(&snapshot, searcher, exact, &words, limit + 1).await?);
                let mut found = Vec::with_capacity(limit);
                for user_num in nums {
                    found.extend(shown(&snapshot, user_num).await?);
                    if found.len() > limit {
                        break;
                    }
                }
                let limited = found.len() > limit;
                found.truncate(limit);
                Ok::<_, Error>((found, limited))
            })
            .await
    }

    /// A page of the rooms to which two people are joined.
    pub async fn mutual_rooms(&self, by: &Session, other: &UserId, from: Option<&str>) -> Result<MutualRooms> {
        if *other == by.user_id {
            return Err(ErrorKind::InvalidParam.with("`user_id` is yourself: see /joined_rooms.").into());
        }
        if other.as_str().contains('\0') {
            return Err(ErrorKind::InvalidParam.with("`user_id` has a NUL character in it.").into());
        }
        let bad = || Error::from(ErrorKind::InvalidParam.with("`from` is no token of this server."));
        let after = from.map_or(Ok(0), |from| from.strip_prefix('m').unwrap_or_default().parse().map_err(|_| bad()))?;
        let Some(other_num) = self.users.num(other).await? else {
            return Ok(MutualRooms { rooms: Vec::new(), count: 0, next: None });
        };
        let both = (by.user_num, other_num);
        let (mut rows, count) = self
            .store
            .read(move |snapshot| async move {
                let rows = memberships::mutual(&snapshot, both, RoomNum(after), ROOMS + 1).await?;
                Ok::<_, Error>((rows, memberships::mutual_count(&snapshot, both).await?))
            })
            .await?;
        let page = usize::try_from(ROOMS).unwrap_or(usize::MAX);
        let more = rows.len() > page;
        rows.truncate(page);
        let next = rows.last().filter(|_| more).map(|(room_num, _)| format!("m{}", room_num.0));
        let rooms = rows.into_iter().map(|(_, room_id)| OwnedRoomId::try_from(room_id).map_err(Error::internal));
        Ok(MutualRooms { rooms: rooms.collect::<Result<_>>()?, count: u64::try_from(count).unwrap_or(0), next })
    }
}

fn limited_to(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(LARGEST_LIMIT).clamp(1, LARGEST_LIMIT)
}

/// People whom all words fit and whom the searcher may know of, at most `wanted`.
async fn candidates(
    snapshot: &Snapshot,
    searcher: UserNum,
    exact: Option<UserNum>,
    words: &[String],
    wanted: usize,
) -> Result<Vec<UserNum>> {
    let Some((first, others)) = words.split_first() else { return Ok(Vec::new()) };
    let mut seen: HashSet<UserNum> = exact.into_iter().chain([searcher]).collect();
    let mut nums = user_words::beginning_with(snapshot, first, LOOKED_AT).await?;
    nums.retain(|user_num| seen.insert(*user_num));
    for word in others {
        let fits: HashSet<UserNum> = user_words::among(snapshot, &nums, word).await?.into_iter().collect();
        nums.retain(|user_num| fits.contains(user_num));
    }
    let mut visible = Vec::new();
    for some in nums.chunks(AT_ONCE) {
        let known: HashSet<UserNum> =
            memberships::visible_to(snapshot, searcher, some.iter().copied()).await?.into_iter().collect();
        visible.extend(some.iter().copied().filter(|user_num| known.contains(user_num)));
        if visible.len() >= wanted {
            break;
        }
    }
    Ok(visible)
}

/// Somebody as a search shows them; nobody whose account has ended.
async fn shown(snapshot: &Snapshot, user_num: UserNum) -> Result<Option<Found>> {
    let Some(row) = rows::by_num(snapshot, user_num).await?.filter(|row| row.deactivated_ts.is_none()) else {
        return Ok(None);
    };
    let mut found = Found {
        user_id: OwnedUserId::try_from(row.user_id).map_err(Error::internal)?,
        display_name: None,
        avatar_url: None,
    };
    for (field, value) in profile_fields::of_user(snapshot, user_num).await? {
        let text = serde_json::from_str::<String>(&value).ok().filter(|text| !text.is_empty());
        match field.as_str() {
            "displayname" => found.display_name = text,
            "avatar_url" => found.avatar_url = text,
            _ => {}
        }
    }
    Ok(Some(found))
}

/// The words by which somebody is found.
pub fn words(localpart: &str, display_name: Option<&str>) -> Vec<String> {
    let mut words = words_of(localpart);
    if words.is_empty() {
        words.push(localpart.chars().take(WORDS.2 / 4).collect());
    }
    for word in display_name.map(words_of).unwrap_or_default() {
        if !words.contains(&word) && words.len() < WORDS.0 {
            words.push(word);
        }
    }
    words
}

/// The words of a text in small letters, each once.
fn words_of(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.to_lowercase().split(|letter: char| !letter.is_alphanumeric()) {
        let end =
            word.char_indices().map(|(at, letter)| at + letter.len_utf8()).take_while(|end| *end <= WORDS.2).last();
        let word = &word[..end.unwrap_or(0)];
        if !word.is_empty() && !words.iter().any(|known| known == word) && words.len() < WORDS.0 {
            words.push(word.to_owned());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_words() {
        assert_eq!(words("j.smith", Some("Jöhn  SMITH (he)")), ["j", "smith", "jöhn", "he"]);
        assert_eq!(words("_-_", None), ["_-_"]);
        assert_eq!(words("a", Some(&"ä".repeat(100))), ["a".to_owned(), "ä".repeat(32)]);
        assert_eq!(words("a", Some("b c d e f g h i j k l m n o p q r s")).len(), 16);
    }
}
