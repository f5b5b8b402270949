//! Uploaded files.

use super::{Class, Holds, Merge, Owner, Table, column};

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "media",
        about: "An uploaded file",
        class: Class::Media,
        owner: Owner::User("user_num"),
        second: None,
        key: &["media_id"],
        merge: Merge::Never,
        order: 40,
        columns: &[
            column("media_id", Class::Media, Holds::Value),
            column("user_num", Class::Media, Holds::UserNum),
            column("created_ts", Class::Media, Holds::Value),
            column("content_hash", Class::Media, Holds::Blob),
            column("byte_size", Class::Media, Holds::Value),
            column("content_type", Class::Media, Holds::Value),
            column("sealed", Class::Media, Holds::Sealed),
            column("expires_ts", Class::Media, Holds::Value),
        ],
    },
    Table {
        name: "media_thumbnails",
        about: "A small picture of an uploaded file",
        class: Class::Media,
        owner: Owner::Through { column: "media_id", table: "media", key: "media_id" },
        second: None,
        key: &["media_id", "width", "height", "method", "animated"],
        merge: Merge::StaysHere,
        order: 41,
        columns: &[
            column("media_id", Class::Media, Holds::Value),
            column("width", Class::Media, Holds::Value),
            column("height", Class::Media, Holds::Value),
            column("method", Class::Media, Holds::Value),
            column("animated", Class::Media, Holds::Value),
            column("content_hash", Class::Media, Holds::Blob),
            column("byte_size", Class::Media, Holds::Value),
            column("content_type", Class::Media, Holds::Value),
        ],
    },
];
