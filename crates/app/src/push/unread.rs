//! Exact unread counts: the totals now, less the totals where the user has read to, and the user's own differences.

use std::collections::{BTreeMap, HashMap};

use domicile_core::ids::{Position, UserNum};
use domicile_store::{
    Snapshot,
    table::{push, threads},
};

use super::{PushClasses, Totals, totals::ClassTotal};
use crate::{
    Result,
    rooms::{RoomInfo, RoomView, live::RECENT},
};

/// Threads of a room that are counted: those with the newest replies.
const THREADS: i64 = 500;

/// Unread events of a room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnreadCounts {
    /// Those that notify.
    pub notify: u64,
    /// Of them, highlights.
    pub highlight: u64,
    /// By thread root, for who tells threads apart: those that notify, and the highlights. They are not in the other counts then.
    pub threads: BTreeMap<String, (u64, u64)>,
}

/// Whose counts.
#[derive(Clone, Copy, Debug)]
pub struct UnreadRequest {
    /// The user.
    pub user_num: UserNum,
    /// Where they came into the room, or wrote last, as far as [`read_by_writing`] tells.
    pub read_position: Position,
    /// The room's last position.
    pub last_position: Position,
    /// Whether threads are told apart.
    pub by_thread: bool,
}

/// The counts of a user in a room.
pub async fn unread(
    snapshot: &Snapshot,
    classes: &PushClasses,
    info: &RoomInfo,
    request: UnreadRequest,
) -> Result<UnreadCounts> {
    let UnreadRequest { user_num, read_position, last_position, by_thread } = request;
    let mut read = read_position;
    let mut threads_read: HashMap<String, Position> = HashMap::new();
    for (thread, position) in push::read_to(snapshot, user_num, info.room_num).await? {
        if thread.is_empty() || (thread == "main" && !by_thread) {
            read = read.max(position);
        } else {
            let known = threads_read.entry(thread).or_insert(position);
            *known = (*known).max(position);
        }
    }
    let main_read = threads_read.get("main").copied().unwrap_or(read).max(read);
    if read >= last_position {
        return Ok(UnreadCounts::default());
    }
    let class_num = classes.class_of(snapshot, info.room_num, &info.room_id, user_num).await?;
    let totals = async |position| -> Result<ClassTotal> {
        let stored = push::totals_at(snapshot, info.room_num, position).await?;
        Ok(stored.map_or_else(Totals::default, |bytes| Totals::decode(&bytes)).of(class_num))
    };
    let now = totals(last_position).await?;
    let from = if by_thread { main_read } else { read };
    let base = totals(from).await?;
    let own = push::own(snapshot, user_num, info.room_num, from, last_position).await?;
    let mut notify = now.notify - base.notify + own[0];
    let mut highlight = now.highlight - base.highlight + own[1];
    let mut threads = BTreeMap::new();
    if by_thread {
        notify -= now.threaded_notify - base.threaded_notify + own[2];
        highlight -= now.threaded_highlight - base.threaded_highlight + own[3];
        threads = by_threads(snapshot, info, (user_num, class_num), (read, last_position), &threads_read).await?;
    }
    Ok(UnreadCounts { notify: count(notify), highlight: count(highlight), threads })
}

/// Where a user wrote last among the last events of a room up to `upto`: whoever writes has read what came before. What they wrote before those
/// events is in `read_state`. `last_position` is the room's last one in the snapshot.
pub async fn read_by_writing(
    snapshot: &Snapshot,
    info: &RoomInfo,
    view: &RoomView,
    user_num: UserNum,
    (last_position, upto): (Position, Position),
) -> Result<Position> {
    let first = view.recent.front().and_then(|event| event.position);
    let whole = view.recent.len() < RECENT || first.is_some_and(|first| first <= upto);
    // The view may be a moment older than the snapshot, or newer by more than it holds.
    if view.last_position < last_position || !whole {
        let window = i64::try_from(RECENT).unwrap_or(i64::MAX);
        let found = push::written_lately(snapshot, info.room_num, user_num, upto, window).await?;
        return Ok(found.unwrap_or(Position::START));
    }
    let newest_first = view.recent.iter().rev().filter(|event| event.position.is_some_and(|at| at <= upto));
    let mut own = newest_first.filter(|event| event.sender_num == user_num && !event.pdu.is_state());
    Ok(own.find_map(|event| event.position).unwrap_or(Position::START))
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// The counts of threads with new replies, each from where the user has read it to. A thread has running totals of its own, so what this
/// costs grows with the threads that were written to and not with what was written.
async fn by_threads(
    snapshot: &Snapshot,
    info: &RoomInfo,
    (user_num, class_num): (UserNum, i64),
    (read, last_position): (Position, Position),
    threads_read: &HashMap<String, Position>,
) -> Result<BTreeMap<String, (u64, u64)>> {
    let mut counts = BTreeMap::new();
    let active = threads::active(snapshot, info.room_num, (read, last_position), THREADS).await?;
    if active.is_empty() {
        return Ok(counts);
    }
    let own = push::own_in_threads(snapshot, user_num, info.room_num, read, last_position).await?;
    let of = |totals: Option<bytes::Bytes>| {
        totals.map_or_else(Totals::default, |totals| Totals::decode(&totals)).of(class_num)
    };
    for thread in active {
        let root_id = thread.root_id.to_string();
        let seen = threads_read.get(&root_id).copied().unwrap_or(read).max(read);
        let before = if seen > read {
            threads::totals_at(snapshot, thread.root_num, seen.min(last_position)).await?
        } else {
            thread.before
        };
        let (now, before) = (of(thread.now), of(before));
        let (mut notify, mut highlight) = (now.notify - before.notify, now.highlight - before.highlight);
        for own in own.iter().filter(|own| own.thread_num == thread.root_num && own.position > seen) {
            notify += own.notify;
            highlight += own.highlight;
        }
        if notify > 0 || highlight > 0 {
            counts.insert(root_id, (count(notify), count(highlight)));
        }
    }
    Ok(counts)
}
