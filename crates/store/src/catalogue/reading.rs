//! What people have read, and what is unread.

use super::{Class, Holds, Merge, Owner, Table, column};

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "receipts",
        about: "How far somebody has read",
        class: Class::Activity,
        owner: Owner::User("user_num"),
        second: None,
        key: &["room_num", "user_num", "kind", "thread"],
        merge: Merge::Later,
        order: 31,
        columns: &[
            column("room_num", Class::Activity, Holds::RoomNum),
            column("user_num", Class::Activity, Holds::UserNum),
            column("kind", Class::Activity, Holds::Value),
            column("thread", Class::Activity, Holds::Value),
            column("event_num", Class::Activity, Holds::EventNum),
            column("event_position", Class::Activity, Holds::Position),
            column("ts", Class::Activity, Holds::Value),
            column("position", Class::Activity, Holds::Position),
        ],
    },
    Table {
        name: "read_state",
        about: "How far somebody has read by writing",
        class: Class::Activity,
        owner: Owner::User("user_num"),
        second: None,
        key: &["user_num", "room_num"],
        merge: Merge::Later,
        order: 31,
        columns: &[
            column("user_num", Class::Activity, Holds::UserNum),
            column("room_num", Class::Activity, Holds::RoomNum),
            column("read_position", Class::Activity, Holds::Position),
        ],
    },
    Table {
        name: "own_counts",
        about: "A message that notifies somebody in another way than most",
        class: Class::Activity,
        owner: Owner::User("user_num"),
        second: None,
        key: &["user_num", "room_num", "position"],
        merge: Merge::StaysHere,
        order: 31,
        columns: &[
            column("user_num", Class::Activity, Holds::UserNum),
            column("room_num", Class::Activity, Holds::RoomNum),
            column("position", Class::Activity, Holds::Position),
            column("thread_num", Class::Activity, Holds::EventNum),
            column("notify", Class::Activity, Holds::Value),
            column("highlight", Class::Activity, Holds::Value),
        ],
    },
    Table {
        name: "push_classes",
        about: "A set of push rules that many people share",
        class: Class::Account,
        owner: Owner::Shared,
        second: None,
        key: &["hash"],
        merge: Merge::Same,
        order: 30,
        columns: &[
            column("class_num", Class::Account, Holds::OwnNum),
            column("hash", Class::Account, Holds::Value),
            column("rules", Class::Account, Holds::Value),
        ],
    },
];
