//! Copies of other people's devices and cross-signing keys: what their servers told, for as long as they share a room with somebody here.
//!
//! A copy is begun when somebody here asks for the keys of a user with whom they share a room. From then on it follows what the user's server
//! tells of changes ([`words`]). Where a word is missing, the copy is stale: it is used no more and fetched anew ([`resync`]). A copy is also
//! used no more once its user has been in no room with the reader in between, since nobody told of changes then.
//!
//! What is fetched is kept only if no word came since the fetch began: `revision` is the guard.

mod fetch;
mod list;
mod resync;
mod words;

use std::{collections::BTreeMap, sync::Arc};

use domicile_core::{
    clock::{Clock, MINUTE_MS},
    ids::{Position, UserNum},
};
use domicile_store::{
    Batch, Snapshot, Store,
    table::{
        device_list_copies::{self, DeviceListCopy},
        device_lists,
    },
};
use ruma::{OwnedServerName, OwnedUserId, UserId};
use tokio::sync::Notify;

pub(super) use fetch::AT_ONCE;
pub use fetch::Fetched;
pub use list::List;
pub use words::{DeviceWord, Word};

use super::{
    DeviceLists,
    pinned_keys::{self, Pinned, Whose},
};
use crate::{Error, Result, federation::Peers, rounds::Working};

/// How long a copy that somebody is fetching is left to them before it is fetched by itself, in milliseconds.
const GRACE_MS: i64 = MINUTE_MS;

/// Keeps the copies.
pub struct DeviceListCopies {
    store: Store,
    clock: Arc<dyn Clock>,
    lists: Arc<DeviceLists>,
    peers: Arc<Peers>,
    /// Told that a copy is stale.
    stale: Notify,
    /// Servers that are being asked for stale copies.
    asked: Working<OwnedServerName>,
}

/// What was fetched of one user.
struct News {
    user_num: UserNum,
    user_id: OwnedUserId,
    list: List,
    stream_id: Option<i64>,
}

/// Copies as they stood before a fetch.
#[derive(Default)]
struct Before {
    position: Position,
    copies: BTreeMap<UserNum, DeviceListCopy>,
}

impl DeviceListCopies {
    /// Copies over a store.
    pub fn new(store: Store, clock: Arc<dyn Clock>, lists: Arc<DeviceLists>, peers: Arc<Peers>) -> Self {
        Self { store, clock, lists, peers, stale: Notify::new(), asked: Working::default() }
    }

    /// The copies of some users as they stand now.
    async fn before(&self, users: Vec<UserNum>) -> Result<Before> {
        self.store
            .read(move |snapshot| async move {
                let copies = device_list_copies::of_users(&snapshot, users).await?;
                let copies = copies.into_iter().map(|copy| (copy.user_num, copy)).collect();
                Ok::<_, Error>(Before { position: snapshot.head().await?, copies })
            })
            .await
    }

    /// Keeps what was fetched after `before` was read.
    async fn keep(&self, before: &Before, news: Vec<News>) -> Result<()> {
        let users: Vec<UserNum> = news.iter().map(|news| news.user_num).collect();
        let read = self.store.read(move |snapshot| async move {
            let known = list::load(&snapshot, users.clone()).await?;
            Ok::<_, Error>((known, pinned_keys::load(&snapshot, users).await?))
        });
        let (known, pinned) = read.await?;
        let nothing = Pinned::default();
        let mut batches = Vec::with_capacity(news.len());
        for news in news {
            let Some(copy) = before.copies.get(&news.user_num) else { continue };
            let old = known.get(&news.user_num).cloned().unwrap_or_default();
            let mut batch = Batch::new();
            let changed = news.list.write_over(&old, &mut batch, news.user_num);
            let lists = (&old, &news.list, copy.fetched_ts.is_none());
            let pinned = pinned.get(&news.user_num).unwrap_or(&nothing);
            self.follow(&mut batch, (news.user_num, &news.user_id), pinned, lists);
            // Whoever asks for somebody's keys for the first time hears them in the answer; what others may have heard before is told.
            let tell = if copy.fetched_ts.is_some() { changed } else { copy.revision > 0 };
            // Keys without a version of their own leave the version that is known, if they are the same.
            let stream_id = news.stream_id.or(copy.stream_id.filter(|_| !changed && !copy.is_stale));
            let (revision, now_ms) = (copy.revision, self.clock.now_ms());
            device_list_copies::set_fetched(&mut batch, news.user_num, revision, stream_id, before.position, now_ms);
            if tell {
                tell_all(&mut batch, news.user_num);
            }
            batches.push((batch, tell.then_some(news.user_num)));
        }
        for told in self.write(batches).await? {
            self.lists.announce(told);
        }
        Ok(())
    }

    /// Writes batches: all at once, or, where one of them meets another word, each by itself. Gives whose changes are to be announced.
    async fn write(&self, batches: Vec<(Batch, Option<UserNum>)>) -> Result<Vec<UserNum>> {
        let mut all = Batch::new();
        for (batch, _) in &batches {
            all.append(batch.clone());
        }
        if all.is_empty() {
            return Ok(Vec::new());
        }
        match self.store.write(all).await {
            Ok(_) => return Ok(batches.into_iter().filter_map(|(_, tell)| tell).collect()),
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error.into()),
        }
        let mut told = Vec::new();
        for (batch, tell) in batches {
            match self.store.write(batch).await {
                Ok(_) => told.extend(tell),
                // A word came since: the copy is stale, or somebody else has fetched it.
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(told)
    }

    /// Adds to a batch what the words of a user's server lead to. Whether others are to be told is `changed`.
    pub fn hear(&self, batch: &mut Batch, known: &Known, words: &[Word]) -> Heard {
        match words::apply(known.copy.as_ref(), &known.list, &known.user_id, words) {
            words::Outcome::Nothing => Heard::default(),
            words::Outcome::Stale => {
                device_list_copies::set_stale(batch, known.user_num, self.clock.now_ms());
                Heard { changed: false, stale: true }
            }
            words::Outcome::Applied { list, stream_id, revision } => {
                let changed = list.write_over(&known.list, batch, known.user_num);
                self.follow(batch, (known.user_num, &known.user_id), &known.pinned, (&known.list, &list, false));
                device_list_copies::advance(batch, known.user_num, revision, stream_id);
                if changed {
                    tell_all(batch, known.user_num);
                }
                Heard { changed, stale: false }
            }
        }
    }

    /// Adds to a batch what follows from a change of the devices and keys of somebody, if their home is another cell.
    fn follow(
        &self,
        batch: &mut Batch,
        (user_num, user_id): (UserNum, &UserId),
        pinned: &Pinned,
        lists: (&List, &List, bool),
    ) {
        if let Some(home) = self.lists.localities().other_cell_of(user_id) {
            let whose = Whose { user_num, user_id, home: &home };
            pinned_keys::follow(batch, whose, pinned, lists, self.clock.now_ms());
        }
    }

    /// Tells that copies are stale, once that is on disk.
    pub fn ring(&self) {
        self.stale.notify_one();
    }
}

/// Notes in a batch that a copy is another one: those who share a room with its user are told.
fn tell_all(batch: &mut Batch, user_num: UserNum) {
    let position = batch.position();
    device_lists::set(batch, user_num, UserNum::NOBODY, position);
}

/// What is known of a user of whom there is a word.
#[derive(Clone, Debug)]
pub struct Known {
    /// The user.
    pub user_num: UserNum,
    /// The Matrix id.
    pub user_id: OwnedUserId,
    /// How good the copy is, if there is one.
    pub copy: Option<DeviceListCopy>,
    /// The copy.
    pub list: List,
    /// What is remembered of their keys.
    pub pinned: Pinned,
}

/// What a word led to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// The copy is another one.
    pub changed: bool,
    /// The copy is stale.
    pub stale: bool,
}

/// What is known of some users.
pub async fn known(snapshot: &Snapshot, users: Vec<(UserNum, OwnedUserId)>) -> Result<Vec<Known>> {
    let nums: Vec<UserNum> = users.iter().map(|(user_num, _)| *user_num).collect();
    let mut lists = list::load(snapshot, nums.clone()).await?;
    let mut pinned = pinned_keys::load(snapshot, nums.clone()).await?;
    let copies = device_list_copies::of_users(snapshot, nums).await?;
    let known = |(user_num, user_id)| Known {
        user_num,
        user_id,
        copy: copies.iter().find(|copy| copy.user_num == user_num).cloned(),
        list: lists.remove(&user_num).unwrap_or_default(),
        pinned: pinned.remove(&user_num).unwrap_or_default(),
    };
    Ok(users.into_iter().map(known).collect())
}
