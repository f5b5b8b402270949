//! Integer identifiers used inside the deployment; Matrix ids stand at the edge only.
//!
//! A long Matrix id is stored once, in the row that introduces its number. Everything else refers to the number.

use serde::{Deserialize, Serialize};

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl From<$name> for i64 {
            fn from(number: $name) -> i64 {
                number.0
            }
        }

        impl From<i64> for $name {
            fn from(number: i64) -> Self {
                Self(number)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

numbers! {
    /// A user known to this cell, its own or another server's.
    UserNum;
    /// A device of a local user.
    DeviceNum;
    /// A room of which this cell has, or had, a copy.
    RoomNum;
    /// An event in this cell's store. Grows with the order of arrival, not with the order of the room.
    EventNum;
    /// An interned pair of state event type and state key.
    KeyNum;
    /// A node of the persistent state trees; a root node's number names a whole state.
    NodeNum;
    /// Another server or cell that is told of rooms here.
    DestinationNum;
    /// A place in the cell's one stream of changes that a `/sync` can show. Zero is before everything.
    Position;
}

impl Position {
    /// The position before every change.
    pub const START: Self = Self(0);
}

impl UserNum {
    /// The owner number of rows that belong to nobody.
    pub const NOBODY: Self = Self(0);
}
