//! Which cells there are, and whose home is where.

use super::{Class, Holds, Merge, Owner, Table, column};

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "deployment_document",
        about: "The deployment document that the cell took last",
        class: Class::Operational,
        owner: Owner::Cell,
        second: None,
        key: &["id"],
        merge: Merge::StaysHere,
        order: 0,
        columns: &[
            column("id", Class::Operational, Holds::Value),
            column("serial", Class::Operational, Holds::Value),
            column("document", Class::Operational, Holds::Value),
            column("taken_ts", Class::Operational, Holds::Value),
        ],
    },
    Table {
        name: "tickets",
        about: "In which cell the accounts are of people whom people here have met",
        class: Class::Directory,
        owner: Owner::Cell,
        second: None,
        key: &["user_id", "epoch"],
        merge: Merge::StaysHere,
        order: 0,
        columns: &[
            column("user_id", Class::Directory, Holds::UserId),
            column("epoch", Class::Directory, Holds::Value),
            column("ticket", Class::Directory, Holds::Value),
        ],
    },
    Table {
        name: "directory_hash_keys",
        about: "The key under which the directory's names are hashed",
        class: Class::Keys,
        owner: Owner::Cell,
        second: None,
        key: &["key_num"],
        merge: Merge::StaysHere,
        order: 0,
        columns: &[column("key_num", Class::Operational, Holds::OwnNum), column("hash_key", Class::Keys, Holds::Value)],
    },
    Table {
        name: "directory_names",
        about: "Names that are taken, as keyed hashes, and the cells in which their accounts are and were",
        class: Class::Directory,
        owner: Owner::Cell,
        second: None,
        key: &["name"],
        merge: Merge::StaysHere,
        order: 0,
        columns: &[
            column("name", Class::Directory, Holds::Value),
            column("homes", Class::Directory, Holds::Value),
            column("log_index", Class::Directory, Holds::OwnNum),
        ],
    },
    Table {
        name: "directory_log",
        about: "When which name was taken, as keyed hashes, each entry signed",
        class: Class::Directory,
        owner: Owner::Cell,
        second: None,
        key: &["log_index"],
        merge: Merge::StaysHere,
        order: 0,
        columns: &[
            column("log_index", Class::Directory, Holds::OwnNum),
            column("entry", Class::Directory, Holds::Value),
        ],
    },
];
