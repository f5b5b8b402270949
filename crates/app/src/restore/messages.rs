//! What cells tell each other so that one of them can be restored: what they keep for it, and what it asks.

use domicile_residency::directory::Ticket;
use ruma::{OwnedEventId, OwnedRoomId, OwnedUserId};
use serde::{Deserialize, Serialize};

use crate::moves::messages::RoomPart;

/// Where words are kept for another cell.
pub const KEEP: &str = "/_domicile/inner/v1/restore/keep";
/// Where a cell asks for the words that are kept for it.
pub const WORDS: &str = "/_domicile/inner/v1/restore/words";
/// Where it asks whose vaults are kept for it.
pub const VAULTS: &str = "/_domicile/inner/v1/restore/vaults";
/// Where it asks for one of them.
pub const VAULT: &str = "/_domicile/inner/v1/restore/vault";
/// Where it asks for a file of somebody whose vault is kept for it.
pub const FILE: &str = "/_domicile/inner/v1/restore/file";
/// Where it asks which rooms its people are in, and with what they end.
pub const ROOMS: &str = "/_domicile/inner/v1/restore/rooms";
/// Where it asks for a part of one.
pub const ROOM: &str = "/_domicile/inner/v1/restore/room";
/// Where a cell presents the tickets of its people to the deciding one, which was restored and has lost what it decided last.
pub const PRESENT: &str = "/_domicile/inner/v1/restore/present";
/// Where a cell asks which of those who have left for another are in a backup of that one.
pub const BACKED_UP: &str = "/_domicile/inner/v1/restore/backed_up";

/// Something that only the cell opens which it is for, in Base64 without padding.
#[derive(Debug, Serialize, Deserialize)]
pub struct Deposit {
    /// Where the last of it stands in that cell's stream.
    pub position: i64,
    /// What is kept.
    pub sealed: String,
}

/// A question for what comes after a place.
#[derive(Debug, Serialize, Deserialize)]
pub struct After<T> {
    /// The place.
    pub after: T,
}

/// A page of answers, the first first; an empty one is the last.
#[derive(Debug, Serialize, Deserialize)]
pub struct Page<T> {
    /// What is on it.
    pub all: Vec<T>,
}

/// What has to be done again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Word {
    /// Where it stands in the stream.
    pub position: i64,
    /// With whose account.
    pub user_id: String,
    /// What, by `restore/words.rs`.
    pub kind: String,
    /// More about it.
    pub detail: String,
}

/// Somebody whose vault is kept.
#[derive(Debug, Serialize, Deserialize)]
pub struct Kept {
    /// The move with which they left.
    pub move_id: String,
    /// Who.
    pub user_id: OwnedUserId,
    /// Whether that move is over: the cell that they left has nothing more to say for them.
    pub settled: bool,
    /// Whether they are at home at the cell that asks, or on the way there, as far as the one knows that is asked.
    pub is_theirs: bool,
    /// Their tickets.
    pub tickets: Vec<Ticket>,
}

/// A question for one vault, or for one of its files.
#[derive(Debug, Serialize, Deserialize)]
pub struct Which {
    /// The move.
    pub move_id: String,
    /// The name of the file as the vault has it, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Bytes of that file, as it is sealed, that are there already.
    #[serde(default)]
    pub after: u64,
}

/// Something sealed, in Base64 without padding; nothing if it is not there.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct SealedAnswer {
    /// What is kept.
    pub sealed: Option<String>,
    /// Whether there is more of it.
    #[serde(default)]
    pub has_more: bool,
}

/// A room as another cell has it.
#[derive(Debug, Serialize, Deserialize)]
pub struct RoomEnds {
    /// The number by which the next page is asked for.
    pub number: i64,
    /// The room.
    pub room_id: OwnedRoomId,
    /// With what it ends.
    pub ends: Vec<OwnedEventId>,
}

/// A question for a part of a room.
#[derive(Debug, Serialize, Deserialize)]
pub struct PartQuestion {
    /// The room.
    pub room_id: OwnedRoomId,
    /// The place after which it begins, as the part before it said.
    pub after: Option<i64>,
}

/// A part of a room.
#[derive(Debug, Serialize, Deserialize)]
pub struct PartAnswer {
    /// The part, and the place where it ends; nothing at the end.
    pub part: Option<(RoomPart, i64)>,
}

/// Tickets of people whose home the cell is that brings them.
#[derive(Debug, Serialize, Deserialize)]
pub struct Present {
    /// The tickets; all of a person's together.
    pub tickets: Vec<Ticket>,
    /// Whether these are the last.
    pub last: bool,
}

/// People who have left for the cell that is asked: move and user.
#[derive(Debug, Serialize, Deserialize)]
pub struct Left {
    /// The moves.
    pub moves: Vec<(String, OwnedUserId)>,
}

/// Those of them of whom nothing has to be kept any more, by their moves.
#[derive(Debug, Serialize, Deserialize)]
pub struct BackedUp {
    /// The moves.
    pub moves: Vec<String>,
}
