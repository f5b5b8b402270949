//! What a `/sync` answers, in the specification's shape. Events are shared as they are; nothing is parsed to be written again.

use std::collections::BTreeMap;

use domicile_core::ids::Position;
use ruma::{OwnedRoomId, OwnedUserId};
use serde::Serialize;
use serde_json::value::RawValue;

use super::SyncToken;

/// An event or another piece of JSON that is ready.
pub type Ready = Box<RawValue>;

/// The answer.
#[derive(Debug, Default, Serialize)]
pub struct SyncAnswer {
    /// The next `since`.
    pub next_batch: String,
    /// Rooms by membership.
    #[serde(skip_serializing_if = "RoomAnswers::is_empty")]
    pub rooms: RoomAnswers,
    /// Presence of others.
    #[serde(skip_serializing_if = "EventList::is_empty")]
    pub presence: EventList,
    /// The user's own data.
    #[serde(skip_serializing_if = "EventList::is_empty")]
    pub account_data: EventList,
    /// Messages to this device.
    #[serde(skip_serializing_if = "EventList::is_empty")]
    pub to_device: EventList,
    /// Whose devices changed.
    #[serde(skip_serializing_if = "DeviceListAnswer::is_empty")]
    pub device_lists: DeviceListAnswer,
    /// One-time keys left, by algorithm.
    pub device_one_time_keys_count: BTreeMap<String, u64>,
    /// Algorithms whose fallback key is unused.
    pub device_unused_fallback_key_types: Vec<String>,
    /// Whether the inbox holds messages that the client's token proves to have arrived. Not for the client.
    #[serde(skip)]
    pub inbox_received: Option<Position>,
    /// What `next_batch` says. Not for the client.
    #[serde(skip)]
    pub token: SyncToken,
    /// Whether the snapshot had nothing that must be asked for again with `token`: no rest, and no messages that are to be taken out of the
    /// inbox. Not for the client.
    #[serde(skip)]
    pub is_whole: bool,
    /// Whether more of presence follows at once. Not for the client.
    #[serde(skip)]
    pub more_presence: bool,
}

impl SyncAnswer {
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.rooms.is_empty()
            && self.presence.is_empty()
            && !self.more_presence
            && self.account_data.is_empty()
            && self.to_device.is_empty()
            && self.device_lists.is_empty()
    }
}

/// Whose devices changed, and who shares no room any more.
#[derive(Debug, Default, Serialize)]
pub struct DeviceListAnswer {
    /// Changed.
    pub changed: Vec<OwnedUserId>,
    /// No longer of interest.
    pub left: Vec<OwnedUserId>,
}

impl DeviceListAnswer {
    fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.left.is_empty()
    }
}

/// `{"events": […]}`
#[derive(Debug, Default, Serialize)]
pub struct EventList {
    /// The events.
    pub events: Vec<Ready>,
}

impl EventList {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }
}

/// Rooms by membership.
#[derive(Debug, Default, Serialize)]
pub struct RoomAnswers {
    /// Joined.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub join: BTreeMap<OwnedRoomId, JoinedRoom>,
    /// Invited.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub invite: BTreeMap<OwnedRoomId, InvitedRoom>,
    /// Knocked.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub knock: BTreeMap<OwnedRoomId, KnockedRoom>,
    /// Left.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub leave: BTreeMap<OwnedRoomId, LeftRoom>,
}

impl RoomAnswers {
    fn is_empty(&self) -> bool {
        self.join.is_empty() && self.invite.is_empty() && self.knock.is_empty() && self.leave.is_empty()
    }
}

/// The end of a timeline.
#[derive(Debug, Default, Serialize)]
pub struct Timeline {
    /// The events, the oldest first.
    pub events: Vec<Ready>,
    /// Whether events before them were left out.
    pub limited: bool,
    /// Where `/messages` goes on backwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prev_batch: Option<String>,
}

/// A joined room.
#[derive(Debug, Default, Serialize)]
pub struct JoinedRoom {
    /// Who is there.
    #[serde(skip_serializing_if = "Summary::is_empty")]
    pub summary: Summary,
    /// State before the timeline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<EventList>,
    /// State after the timeline, for who asked for it that way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_after: Option<EventList>,
    /// The timeline.
    pub timeline: Timeline,
    /// Typing and receipts.
    pub ephemeral: EventList,
    /// The user's own data about the room.
    pub account_data: EventList,
    /// Unread events.
    pub unread_notifications: Unread,
    /// Unread events by thread.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub unread_thread_notifications: BTreeMap<String, Unread>,
}

/// Unread events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Unread {
    /// Of them, those that call for attention.
    pub highlight_count: u64,
    /// Those that notify.
    pub notification_count: u64,
}

/// Who is in a room.
#[derive(Debug, Default, Serialize)]
pub struct Summary {
    /// Members whose names stand for the room's.
    #[serde(rename = "m.heroes", skip_serializing_if = "Option::is_none")]
    pub heroes: Option<Vec<OwnedUserId>>,
    /// How many are joined.
    #[serde(rename = "m.joined_member_count", skip_serializing_if = "Option::is_none")]
    pub joined: Option<u64>,
    /// How many are invited.
    #[serde(rename = "m.invited_member_count", skip_serializing_if = "Option::is_none")]
    pub invited: Option<u64>,
}

impl Summary {
    fn is_empty(&self) -> bool {
        self.heroes.is_none() && self.joined.is_none() && self.invited.is_none()
    }
}

/// A room that one is invited to.
#[derive(Debug, Default, Serialize)]
pub struct InvitedRoom {
    /// Stripped state.
    pub invite_state: EventList,
}

/// A room that one knocked on.
#[derive(Debug, Default, Serialize)]
pub struct KnockedRoom {
    /// Stripped state.
    pub knock_state: EventList,
}

/// A room that one has left.
#[derive(Debug, Default, Serialize)]
pub struct LeftRoom {
    /// State before the timeline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<EventList>,
    /// State after the timeline, for who asked for it that way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_after: Option<EventList>,
    /// The timeline up to the leaving.
    pub timeline: Timeline,
    /// The user's own data about the room.
    pub account_data: EventList,
}
