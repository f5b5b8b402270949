//! Syncing, and what is kept in memory.

use super::{ByteSize, section::section};

section! {
    /// Syncing.
    Sync = "sync" {
        /// Whether users see who is online.
        presence: bool = true;
    }
}

section! {
    /// What is kept in memory. More is faster; nothing is lost with less.
    Memory = "memory" {
        /// Events.
        events: ByteSize = ByteSize(64 << 20);
        /// Nodes of state trees.
        state: ByteSize = ByteSize(32 << 20);
        /// Entries of the current state of rooms.
        room_entries: u32 = 400_000;
    }
}
