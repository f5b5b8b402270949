//! A room in memory: its current state as one immutable view, and the one place where its next event is made.
//!
//! A view never changes; the writer publishes a new one after its batch is on disk. Whoever holds a view holds a consistent room.

use std::sync::Arc;

use arc_swap::ArcSwap;
use domicile_core::ids::{DestinationNum, EventNum, KeyNum, NodeNum, Position, RoomNum, UserNum};
use domicile_room::{auth::PowerLevels, event::Pdu};
use domicile_store::Changes;
use imbl::{HashMap, OrdMap, Vector};
use ruma::{OwnedEventId, OwnedRoomId, RoomVersionId, room_version_rules::RoomVersionRules};
use tokio::sync::Mutex;

use super::AllowedMessages;
use crate::{events::Stored, push::Totals, rooms::Membership};

/// Events of the timeline's end that a room keeps in memory, so that a `/sync` that is nearly up to date reads nothing from disk.
pub const RECENT: usize = 64;

/// What never changes about a room.
#[derive(Debug)]
pub struct RoomInfo {
    /// The number.
    pub room_num: RoomNum,
    /// The Matrix id.
    pub room_id: OwnedRoomId,
    /// The version.
    pub version: RoomVersionId,
    /// What the version means.
    pub rules: RoomVersionRules,
}

/// A room in memory.
pub struct Room {
    /// What never changes.
    pub info: Arc<RoomInfo>,
    view: ArcSwap<RoomView>,
    /// When it was written to.
    written: Arc<Changes>,
    writer: Mutex<()>,
    /// Who waits for it: those who write here, and what others tell. One of each waits at its door, so neither queue stands before the other.
    own_queue: Mutex<()>,
    told_queue: Mutex<()>,
}

/// Somebody's membership and the event that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The membership.
    pub membership: Membership,
    /// The event.
    pub event_num: EventNum,
}

/// The parts of the state that nearly every event is checked against.
#[derive(Clone)]
pub struct Facts {
    /// `m.room.create`
    pub create: Arc<Pdu>,
    /// `m.room.power_levels`
    pub power_levels_event: Option<Arc<Pdu>>,
    /// The power levels, ready to be asked.
    pub power_levels: Arc<PowerLevels>,
    /// `m.room.join_rules`
    pub join_rules: Option<Arc<Pdu>>,
    /// `m.room.history_visibility`
    pub history_visibility: Option<Arc<Pdu>>,
    /// `m.room.server_acl`
    pub server_acl: Option<Arc<Pdu>>,
    /// `m.room.policy`
    pub policy: Option<Arc<Pdu>>,
    /// Whether `m.room.encryption` is set.
    pub encrypted: bool,
}

/// What is special about a room whose members are not all known yet.
#[derive(Clone, Debug)]
pub struct Partial {
    /// The event by which this server came in.
    pub join_num: EventNum,
    /// Root of what is known of the state before it.
    pub state_before: NodeNum,
    /// The events that it names. They are not here; the state after them is taken to be `state_before`.
    pub before_join: Vec<OwnedEventId>,
}

/// A room at one moment.
#[derive(Clone)]
pub struct RoomView {
    /// Guards the next write.
    pub revision: i64,
    /// Root of the state tree on disk.
    pub state_root: NodeNum,
    /// Position of the last event.
    pub last_position: Position,
    /// Depth of the deepest event.
    pub depth: i64,
    /// The ends of the graph.
    pub extremities: Vec<(EventNum, OwnedEventId)>,
    /// The current state. Like the members in order, which takes a sixth of the memory that a hashed map of this kind does.
    pub state: OrdMap<KeyNum, EventNum>,
    /// Everybody who ever had a membership.
    pub members: OrdMap<UserNum, Member>,
    /// How many are joined.
    pub joined: usize,
    /// How many of the joined are of this cell.
    pub here: i64,
    /// How many are invited.
    pub invited: usize,
    /// What is asked most often.
    pub facts: Arc<Facts>,
    /// Running totals of notifications.
    pub totals: Totals,
    /// The end of the timeline, the oldest first, without gaps up to `last_position`.
    pub recent: Vector<Arc<Stored>>,
    /// Whether any event points at another. While none does, nothing is looked up about children.
    pub has_relations: bool,
    /// Running totals of threads that were written to lately.
    pub threads: HashMap<EventNum, Totals>,
    /// Messages that the state as it is allows.
    pub allowed: AllowedMessages,
    /// Whether the room is in the public directory.
    pub is_public: bool,
    /// The other servers and cells that have members in the room, and how many are joined from each.
    pub destinations: HashMap<DestinationNum, i64>,
    /// Set while not all members are known.
    pub partial: Option<Arc<Partial>>,
}

impl Facts {
    /// Whether anybody may join or read.
    pub fn is_open(&self) -> bool {
        is_open(self.join_rules.as_deref(), self.history_visibility.as_deref())
    }
}

/// Whether anybody may join or read, by a room's join rules and the visibility of its history.
pub fn is_open(join_rules: Option<&Pdu>, history_visibility: Option<&Pdu>) -> bool {
    let says = |event: Option<&Pdu>, field: &str, word: &str| {
        event.and_then(Pdu::content_as::<serde_json::Value>).is_some_and(|content| content[field] == word)
    };
    says(join_rules, "join_rule", "public") || says(history_visibility, "history_visibility", "world_readable")
}

impl Room {
    /// A room with its view as read. The registry of rooms is who makes one.
    pub(super) fn new(info: Arc<RoomInfo>, view: RoomView, written: Arc<Changes>) -> Self {
        Self {
            info,
            view: ArcSwap::from_pointee(view),
            written,
            writer: Mutex::default(),
            own_queue: Mutex::default(),
            told_queue: Mutex::default(),
        }
    }

    /// The room now.
    pub fn view(&self) -> Arc<RoomView> {
        self.view.load_full()
    }

    /// The right to make the room's next event on this node. Correctness does not rest on it, the database's guard does.
    pub async fn writer(&self) -> tokio::sync::MutexGuard<'_, ()> {
        let _first = self.own_queue.lock().await;
        self.writer.lock().await
    }

    /// The same for what others tell. It takes turns with those who write here, however many these are: what comes from elsewhere comes in few
    /// writes of many events, and would wait for everybody here before each of them.
    pub async fn writer_for_told(&self) -> tokio::sync::MutexGuard<'_, ()> {
        let _first = self.told_queue.lock().await;
        self.writer.lock().await
    }

    /// Shows a new view to all readers. Only for what is on disk.
    pub fn publish(&self, view: Arc<RoomView>) {
        self.view.store(view);
        self.written.note();
    }
}

impl RoomView {
    /// Somebody's membership; a stranger has left.
    pub fn membership(&self, user_num: UserNum) -> Membership {
        self.members.get(&user_num).map_or(Membership::Leave, |member| member.membership)
    }

    /// Whether somebody is joined.
    pub fn is_joined(&self, user_num: UserNum) -> bool {
        self.membership(user_num) == Membership::Join
    }

    /// Whether anybody of this cell is joined.
    pub fn has_local_members(&self) -> bool {
        self.here > 0
    }

    /// Whether not all members are known.
    pub fn is_partial(&self) -> bool {
        self.partial.is_some()
    }

    /// Whether somebody is joined, or may be: nothing is known of them, and not all members are known.
    pub fn may_be_joined(&self, user_num: UserNum) -> bool {
        self.is_joined(user_num) || (self.is_partial() && !self.members.contains_key(&user_num))
    }

    /// How many are joined at least: of a server of which no member is known there is one.
    pub fn joined_at_least(&self) -> usize {
        let elsewhere: i64 = self.destinations.values().sum();
        self.joined.max(usize::try_from(self.here.saturating_add(elsewhere)).unwrap_or_default())
    }

    /// The joined members.
    pub fn joined_members(&self) -> impl Iterator<Item = UserNum> + '_ {
        self.members.iter().filter(|(_, member)| member.membership == Membership::Join).map(|(user_num, _)| *user_num)
    }

    /// Sets somebody's membership and keeps the counts right.
    pub fn set_member(&mut self, user_num: UserNum, member: Member) {
        let before = self.members.insert(user_num, member).map(|member| member.membership);
        let count = |membership| isize::from(member.membership == membership) - isize::from(before == Some(membership));
        self.joined = self.joined.saturating_add_signed(count(Membership::Join));
        self.invited = self.invited.saturating_add_signed(count(Membership::Invite));
    }

    /// Adds an event to the end of the timeline in memory.
    pub fn push_recent(&mut self, event: Arc<Stored>) {
        self.recent.push_back(event);
        while self.recent.len() > RECENT {
            self.recent.pop_front();
        }
    }
}
