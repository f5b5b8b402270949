//! What can be checked about data, and what happened to it.

use super::{Class, Holds, Merge, Owner, Table, column};

pub(super) const TABLES: &[Table] = &[Table {
    name: "backups",
    about: "A backup that was made",
    class: Class::Operational,
    owner: Owner::Cell,
    second: None,
    key: &["backup_num"],
    merge: Merge::StaysHere,
    order: 0,
    columns: &[
        column("backup_num", Class::Operational, Holds::OwnNum),
        column("created_ts", Class::Operational, Holds::Value),
        column("data", Class::Operational, Holds::Value),
        column("keystore", Class::Operational, Holds::Value),
        column("byte_size", Class::Operational, Holds::Value),
        column("expires_ts", Class::Operational, Holds::Value),
    ],
}];
