//! The catalogue: every table and column with what it is, whose it is, and what its numbers refer to.
//!
//! The audit, erasure, a person's export and the move to another home walk it. A column that is not here does not get past the tests, which
//! compare it with the live schema of both engines.

mod abroad;
mod accounts;
mod blocklists;
mod deployment;
mod e2ee;
mod evidence;
mod exceptions;
mod federation;
mod media;
mod moves;
mod operational;
mod probes;
mod reading;
mod restore;
mod rooms;
mod standing;

pub use abroad::{ADMITTED, Abroad, Admitted, abroad};
pub use exceptions::{EXCEPTIONS, Exception};

/// What kind of data it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// The account itself: credentials, sessions, settings.
    Account,
    /// Addresses under which a person is reached outside: mail, telephone.
    Contact,
    /// What a person shows of themselves.
    Profile,
    /// A person's devices: names, ids.
    Device,
    /// Public keys, signatures, and keys that clients sealed.
    Keys,
    /// When a person did what, and from where.
    Activity,
    /// What people write to each other.
    Content,
    /// Uploaded files.
    Media,
    /// Rooms: events, state, members.
    Room,
    /// Names that lead to rooms and people.
    Directory,
    /// What the service needs to work and says nothing about a person.
    Operational,
}

/// Whose a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The user whose number the column holds.
    User(&'static str),
    /// The user whom another table's row belongs to: `column` here is `key` there.
    Through {
        /// The column of this table.
        column: &'static str,
        /// The other table.
        table: &'static str,
        /// Its column.
        key: &'static str,
    },
    /// The room copy whose number the column holds. A copy is here for its members.
    Room(&'static str),
    /// The room copy of the event whose number the column holds.
    Event(&'static str),
    /// Several room copies or people together: here for as long as one of them refers to it.
    Shared,
    /// The cell.
    Cell,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// A value as it is.
    Value,
    /// Bytes that only the owner's key opens.
    Sealed,
    /// Text or bytes that the person's own clients encrypted: the service cannot read them.
    Encrypted,
    /// A number of the cell's: of a user.
    UserNum,
    /// Of a room.
    RoomNum,
    /// Of an event.
    EventNum,
    /// Of a device.
    DeviceNum,
    /// Of a state key.
    KeyNum,
    /// Of a node of the state trees.
    NodeNum,
    /// A number that is given anew where the row goes, and means nothing there.
    OwnNum,
    /// A place in this cell's stream: given anew elsewhere.
    Position,
    /// A Matrix user id.
    UserId,
    /// A Matrix room id.
    RoomId,
    /// A Matrix event id, in stored form.
    EventId,
    /// A Matrix device id.
    DeviceId,
    /// The name of a blob.
    Blob,
}

/// What happens where a row comes to a place that has one of the same portable key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    /// It cannot happen, or it is an error.
    Never,
    /// Both are the same: the one that is there stays.
    Same,
    /// The later one stays.
    Later,
    /// It does not travel: it is made anew, or loses its sense elsewhere.
    StaysHere,
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What kind of data it is.
    pub class: Class,
    /// What it holds.
    pub holds: Holds,
}

/// A table.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// What a row is, in words for the person whom it is about.
    pub about: &'static str,
    /// The class of the rows as a whole, which reports count them under.
    pub class: Class,
    /// Whose a row is.
    pub owner: Owner,
    /// The column with the number of a second person whom a row is about.
    pub second: Option<&'static str>,
    /// The columns that say which row it is, anywhere.
    pub key: &'static [&'static str],
    /// What happens where two meet.
    pub merge: Merge,
    /// Tables of a lower order are copied first.
    pub order: u8,
    /// Its columns.
    pub columns: &'static [Column],
}

/// All tables, in the order in which they are copied.
pub fn tables() -> Vec<&'static Table> {
    let areas = [
        operational::TABLES,
        accounts::TABLES,
        standing::TABLES,
        rooms::TABLES,
        reading::TABLES,
        e2ee::TABLES,
        evidence::TABLES,
        media::TABLES,
        deployment::TABLES,
        moves::TABLES,
        restore::TABLES,
        federation::TABLES,
        blocklists::TABLES,
        probes::TABLES,
    ];
    let mut all: Vec<&'static Table> = areas.into_iter().flatten().collect();
    all.sort_by_key(|table| table.order);
    all
}

/// Tables in which an engine keeps the parts of another one that is in the catalogue: their name, and that of the other.
pub const PARTS: &[(&str, &str)] = &[
    ("event_texts_config", "event_texts"),
    ("event_texts_content", "event_texts"),
    ("event_texts_data", "event_texts"),
    ("event_texts_idx", "event_texts"),
];

/// The table of a name.
pub fn table(name: &str) -> Option<&'static Table> {
    tables().into_iter().find(|table| table.name == name)
}

impl Class {
    /// Whether what is of this class stands sealed in the database.
    pub fn is_sealed(self) -> bool {
        matches!(self, Self::Contact | Self::Device | Self::Activity)
    }

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Contact => "contact",
            Self::Profile => "profile",
            Self::Device => "device",
            Self::Keys => "keys",
            Self::Activity => "activity",
            Self::Content => "content",
            Self::Media => "media",
            Self::Room => "room",
            Self::Directory => "directory",
            Self::Operational => "operational",
        }
    }
}

impl Holds {
    /// Whether it is a number by which rows are joined or ordered, and says nothing by itself.
    pub fn is_reference(self) -> bool {
        !matches!(self, Self::Value | Self::Sealed | Self::UserId | Self::RoomId | Self::DeviceId)
    }
}

impl Table {
    /// The column of a name.
    pub fn column(&self, name: &str) -> Option<&'static Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

const fn column(name: &'static str, class: Class, holds: Holds) -> Column {
    Column { name, class, holds }
}
