//! What is known of other servers.

use super::{Class, Holds, Merge, Owner, Table, column};

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "remote_keys",
        about: "Signing keys of other servers",
        class: Class::Operational,
        owner: Owner::Cell,
        second: None,
        key: &["server_name", "key_id"],
        merge: Merge::StaysHere,
        order: 0,
        columns: &[
            column("server_name", Class::Operational, Holds::Value),
            column("key_id", Class::Operational, Holds::Value),
            column("public_key", Class::Operational, Holds::Value),
            column("valid_until_ts", Class::Operational, Holds::Value),
            column("expired_ts", Class::Operational, Holds::Value),
            column("fetched_ts", Class::Operational, Holds::Value),
        ],
    },
    Table {
        name: "remote_key_lists",
        about: "Lists in which other servers tell their signing keys",
        class: Class::Operational,
        owner: Owner::Cell,
        second: None,
        key: &["server_name"],
        merge: Merge::StaysHere,
        order: 0,
        columns: &[
            column("server_name", Class::Operational, Holds::Value),
            column("list", Class::Operational, Holds::Value),
            column("valid_until_ts", Class::Operational, Holds::Value),
            column("fetched_ts", Class::Operational, Holds::Value),
        ],
    },
];
