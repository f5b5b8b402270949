//! What cells keep for each other, so that one that is restored from a backup finds out what it has missed.

use super::{Class, Holds, Merge, Owner, Table, column};

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "restore_words",
        about: "What has to be done again with an account where an older backup is restored, until other cells keep it",
        class: Class::Account,
        owner: Owner::User("user_num"),
        second: None,
        key: &["position"],
        merge: Merge::StaysHere,
        order: 1,
        columns: &[
            column("position", Class::Operational, Holds::Position),
            column("user_num", Class::Account, Holds::UserNum),
            column("kind", Class::Account, Holds::Value),
            column("detail", Class::Account, Holds::Value),
        ],
    },
    Table {
        name: "deposits",
        about: "What another cell has to do again if it is restored, sealed for that cell",
        class: Class::Operational,
        owner: Owner::Cell,
        second: None,
        key: &["cell", "position"],
        merge: Merge::StaysHere,
        order: 0,
        columns: &[
            column("cell", Class::Operational, Holds::Value),
            column("position", Class::Operational, Holds::Value),
            column("sealed", Class::Account, Holds::Encrypted),
            column("expires_ts", Class::Operational, Holds::Value),
        ],
    },
    Table {
        name: "kept_vaults",
        about: "The vault of somebody who has left, sealed for their new home until that has a backup",
        class: Class::Operational,
        owner: Owner::Cell,
        second: None,
        key: &["move_id"],
        merge: Merge::StaysHere,
        order: 0,
        columns: &[
            column("move_id", Class::Operational, Holds::Value),
            column("user_id", Class::Directory, Holds::UserId),
            column("cell", Class::Directory, Holds::Value),
            column("made_ts", Class::Operational, Holds::Value),
            column("sealed", Class::Account, Holds::Encrypted),
        ],
    },
    Table {
        name: "kept_files",
        about: "A file of somebody who has left, which nobody but their new home can open",
        class: Class::Operational,
        owner: Owner::Cell,
        second: None,
        key: &["move_id", "content_hash"],
        merge: Merge::StaysHere,
        order: 0,
        columns: &[
            column("move_id", Class::Operational, Holds::Value),
            column("content_hash", Class::Media, Holds::Blob),
        ],
    },
];
