//! What rooms begin as.

use super::{section::section, value::choice};

choice! {
    /// Which new rooms are encrypted without being asked.
    EncryptByDefault {
        /// None.
        Off = "off",
        /// Those that not everybody may join.
        Private = "private",
        /// All.
        All = "all",
    }
}

section! {
    /// What rooms begin as.
    Rooms = "rooms" {
        /// The version of new rooms, 3 to 12.
        default_version: String = "12".to_owned();
        /// Which new rooms are end-to-end encrypted without being asked: `off`, `private` or `all`.
        encryption: EncryptByDefault = EncryptByDefault::Private;
    }
}
