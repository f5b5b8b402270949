//! What two cells tell each other when somebody moves, in the order of its steps.

use std::{collections::BTreeMap, fmt};

use domicile_residency::directory::Ticket;
use ruma::{OwnedEventId, OwnedRoomId, OwnedUserId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    bundle::{Acquaintance, Bundle},
    lines::Sums,
};

/// Where somebody's arrival is announced.
pub const BEGIN: &str = "/_domicile/inner/v1/moves/begin";
/// Where a part of a room's history is taken.
pub const ROOM: &str = "/_domicile/inner/v1/moves/room";
/// Where it is asked what the new home lacks of rooms of which it has a copy.
pub const LACKING: &str = "/_domicile/inner/v1/moves/lacking";
/// Where it is let fetch what was said in a room before its copy begins, or in a gap of it.
pub const PAST: &str = "/_domicile/inner/v1/moves/past";
/// Where it is asked which events of a room it has without their content.
pub const EMPTY: &str = "/_domicile/inner/v1/moves/empty";
/// Where it takes that content.
pub const CONTENT: &str = "/_domicile/inner/v1/moves/content";
/// Where a piece of a file is taken.
pub const FILE_PIECE: &str = "/_domicile/inner/v1/moves/file_piece";
/// Where the vault is taken.
pub const VAULT: &str = "/_domicile/inner/v1/moves/vault";
/// Where the new home learns that it is the home.
pub const HOME: &str = "/_domicile/inner/v1/moves/home";
/// Where other cells learn it.
pub const TURNED: &str = "/_domicile/inner/v1/moves/turned";
/// Where the new home is told what of rooms it may have missed.
pub const POLL: &str = "/_domicile/inner/v1/moves/poll";
/// Where messages are taken that came while the vault was on its way.
pub const LATE: &str = "/_domicile/inner/v1/moves/late";
/// Where a move that is not to be is taken back.
pub const CANCEL: &str = "/_domicile/inner/v1/moves/cancel";

/// The header with which piece of which file it is ([`FilePiece`]), as JSON in hexadecimal: the request's body is the piece.
pub const ABOUT_FILE: &str = "x-domicile-file";

/// Which move a message is about.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct About {
    /// The move.
    pub move_id: String,
    /// Who moves.
    pub user_id: OwnedUserId,
}

/// Somebody does not come after all.
#[derive(Debug, Serialize, Deserialize)]
pub struct Cancel {
    /// Who, and by which move.
    #[serde(flatten)]
    pub about: About,
    /// Rooms of which copies may have come with them that nobody there needs.
    #[serde(default)]
    pub rooms: Vec<OwnedRoomId>,
}

/// Somebody is to come.
#[derive(Debug, Serialize, Deserialize)]
pub struct Begin {
    /// Who, and by which move.
    pub about: About,
    /// Their tickets.
    pub tickets: Vec<Ticket>,
    /// Rooms that they are in, and those that they have left and not forgotten.
    pub rooms: Vec<OwnedRoomId>,
    /// Which of them they have left.
    #[serde(default)]
    pub left: Vec<OwnedRoomId>,
}

/// What the new home has of what somebody brings.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Begun {
    /// Rooms of which it has no copy.
    pub missing: Vec<OwnedRoomId>,
    /// Rooms that they have left, of which it has a copy that nobody there keeps up any more, with that copy's last events.
    #[serde(default)]
    pub ended: Vec<(OwnedRoomId, Vec<OwnedEventId>)>,
    /// Files that have come with an earlier attempt.
    pub media: Vec<String>,
}

/// A part of a room's history, the oldest first.
#[derive(Debug, Serialize, Deserialize)]
pub struct RoomPart {
    /// Who brings it.
    pub about: About,
    /// The room.
    pub room_id: OwnedRoomId,
    /// Its version.
    pub version: String,
    /// Tickets of those who wrote the events.
    pub tickets: Vec<Ticket>,
    /// The state before the first event, with all that allows it; nothing where that is the room's creation, and with further parts.
    pub state: Vec<Box<RawValue>>,
    /// What allows the state.
    pub auth_chain: Vec<Box<RawValue>>,
    /// The events.
    pub events: Vec<Box<RawValue>>,
}

/// How much of a part is there.
#[derive(Debug, Serialize, Deserialize)]
pub struct Taken {
    /// Events of it that are here now.
    pub events: usize,
    /// Events of it that are not a part of the room here.
    pub left_out: usize,
}

/// Rooms of which the new home has a copy.
#[derive(Debug, Serialize, Deserialize)]
pub struct Lacking {
    /// Who moves.
    pub about: About,
    /// Rooms of theirs.
    pub rooms: Vec<OwnedRoomId>,
}

/// What it lacks of them.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Lacks {
    /// Rooms whose copy begins later than the room, or has a gap.
    pub past: Vec<OwnedRoomId>,
    /// Rooms of which some events came without their content.
    pub content: Vec<OwnedRoomId>,
}

/// A room of somebody who moves, and a place in it.
#[derive(Debug, Serialize, Deserialize)]
pub struct InRoom {
    /// Who moves.
    pub about: About,
    /// The room.
    pub room_id: OwnedRoomId,
    /// After which of the new home's numbers it goes on; 0 at first.
    #[serde(default)]
    pub after: i64,
}

/// How much of a room's past has come.
#[derive(Debug, Serialize, Deserialize)]
pub struct PastTaken {
    /// Events that came.
    pub events: usize,
    /// Whether there is more to fetch.
    pub more: bool,
}

/// Events that the new home has without their content.
#[derive(Debug, Serialize, Deserialize)]
pub struct Emptied {
    /// Their ids.
    pub events: Vec<OwnedEventId>,
    /// After which number it goes on; none at the end.
    pub next: Option<i64>,
}

/// Events of a room with what they say, as far as whoever moves may see it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Content {
    /// Who moves.
    pub about: About,
    /// The room.
    pub room_id: OwnedRoomId,
    /// Tickets of those who wrote the events.
    pub tickets: Vec<Ticket>,
    /// The events.
    pub events: Vec<Box<RawValue>>,
}

/// Of which file a piece is, and which one.
#[derive(Debug, Serialize, Deserialize)]
pub struct FilePiece {
    /// Whose, and by which move.
    #[serde(flatten)]
    pub about: About,
    /// The file's id.
    pub media_id: String,
    /// Bytes of the file that come before it.
    pub after: u64,
    /// Whether it is the last.
    pub is_last: bool,
}

/// Somebody's vault.
#[derive(Debug, Serialize, Deserialize)]
pub struct Vault {
    /// Whose, and by which move.
    pub about: About,
    /// What is in it.
    pub bundle: Bundle,
    /// Its hash.
    pub digest: String,
}

/// What a vault names and its new home does not have: rooms that its owner is in, and files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absent {
    /// The rooms.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rooms: Vec<OwnedRoomId>,
    /// The files' ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<String>,
}

impl Absent {
    /// Whether all is there.
    pub fn is_empty(&self) -> bool {
        self.rooms.is_empty() && self.media.is_empty()
    }

    /// The same without files that are nowhere.
    #[must_use]
    pub fn without(mut self, lost: &[String]) -> Self {
        self.media.retain(|media_id| !lost.contains(media_id));
        self
    }
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of their rooms and {} of their files", self.rooms.len(), self.media.len())
    }
}

/// The new home has the vault on disk. From then on the old home may let its owner go.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Confirmed {
    /// The hash of what it has.
    pub digest: String,
    /// Rows and their hashes by class of data, as it counted them.
    pub sums: Sums,
    /// The new home's signature.
    pub signature: String,
    /// What it lacks of what the vault names: while there is anything, nobody is let go.
    #[serde(default, skip_serializing_if = "Absent::is_empty")]
    pub absent: Absent,
}

/// Somebody's home is where this is told, by the directory's word.
#[derive(Debug, Serialize, Deserialize)]
pub struct Home {
    /// Who, and by which move.
    pub about: About,
    /// Their tickets.
    pub tickets: Vec<Ticket>,
}

/// The new home serves whom it is the home of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Arrived {
    /// When, in milliseconds since the epoch.
    pub arrived_ts: i64,
    /// Rows and their hashes by class, read again from the new home's database.
    pub sums: Sums,
    /// Rows that name what is not there, such as events that are not a part of their rooms.
    pub left_out: u64,
    /// Rooms and files that are not there: while there are any, nothing is erased at the old home.
    #[serde(default, skip_serializing_if = "Absent::is_empty")]
    pub absent: Absent,
    /// Whether what was read again is what was brought, but for what was left out.
    pub same: bool,
    /// The new home's signature over all of it.
    pub signature: String,
}

/// What reached somebody while the vault was on its way.
#[derive(Debug, Serialize, Deserialize)]
pub struct Late {
    /// Whose.
    pub about: About,
    /// Messages for their devices, the first first: device, place and content.
    pub messages: Vec<(String, i64, String)>,
    /// Rooms to which they were invited.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub invites: Vec<Acquaintance>,
}

/// Somebody's home is another one now.
#[derive(Debug, Serialize, Deserialize)]
pub struct Turned {
    /// Their tickets.
    pub tickets: Vec<Ticket>,
}

/// What a cell has of the rooms of somebody who moved: the ends of their graphs.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Ends {
    /// By room.
    pub rooms: BTreeMap<OwnedRoomId, Vec<OwnedEventId>>,
}

/// What rooms end with in a cell.
#[derive(Debug, Serialize, Deserialize)]
pub struct Poll {
    /// Who moved.
    pub about: About,
    /// The cell.
    pub cell: String,
    /// The ends.
    pub ends: Ends,
}

/// An answer that says nothing.
#[derive(Debug, Serialize, Deserialize)]
pub struct Done {}
