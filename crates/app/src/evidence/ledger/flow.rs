//! In which ways something crosses a border, and which requests between cells carry it.

use domicile_store::catalogue::Class;

/// In which way something goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Flow {
    /// Events that were told as they came.
    Events,
    /// Typing, receipts, presence, changes of devices, messages to devices.
    Ephemeral,
    /// Events and state that were asked for.
    History,
    /// Joins, invites and knocks, with the state that goes with them.
    Membership,
    /// Profiles.
    Profiles,
    /// Public keys of devices and people.
    Keys,
    /// Files.
    Media,
    /// The public directory, spaces, aliases; between cells also tickets, and names that are asked for.
    Directory,
    /// Vaults of people who move.
    Vaults,
    /// Their rooms.
    MovedRooms,
    /// Their files.
    MovedFiles,
    /// Requests of people at another cell than their home, and what they are answered.
    Passed,
    /// What a gateway carries to other servers and back.
    Gateway,
    /// What only the cell opens that it concerns: what is kept for the case that it is restored.
    Sealed,
    /// Reports, and what cells say as each other's witnesses.
    Evidence,
    /// What passes through a cell that is the way between two others, unreadable to it.
    Relayed,
}

/// The paths of requests between cells, by how they begin.
const INNER: [(&str, Flow); 19] = [
    ("people/", Flow::Profiles),
    ("moves/vault", Flow::Vaults),
    ("moves/late", Flow::Vaults),
    ("moves/room", Flow::MovedRooms),
    ("moves/content", Flow::MovedRooms),
    ("moves/file_piece", Flow::MovedFiles),
    ("moves/", Flow::Directory),
    ("names/", Flow::Directory),
    ("client/", Flow::Passed),
    ("door/", Flow::Passed),
    ("gateway/", Flow::Gateway),
    ("for/", Flow::Gateway),
    ("restore/room", Flow::History),
    ("restore/present", Flow::Directory),
    ("restore/", Flow::Sealed),
    ("evidence/", Flow::Evidence),
    ("media/content", Flow::Media),
    ("cut", Flow::Keys),
    ("new_region", Flow::Membership),
];

/// Those that carry nothing of people, neither what is asked nor what is answered. What passes through a relay is counted by its bytes. A test holds
/// that every path is in one of the two lists.
#[cfg(test)]
const ONLY_ASK: [&str; 6] = ["load", "deployment", "relay/", "media/whose", "registration/whose", "messages/taken"];

impl Flow {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Ephemeral => "ephemeral",
            Self::History => "history",
            Self::Membership => "membership",
            Self::Profiles => "profiles",
            Self::Keys => "keys",
            Self::Media => "media",
            Self::Directory => "directory",
            Self::Vaults => "vaults",
            Self::MovedRooms => "moved_rooms",
            Self::MovedFiles => "moved_files",
            Self::Passed => "passed",
            Self::Gateway => "gateway",
            Self::Sealed => "sealed",
            Self::Evidence => "evidence",
            Self::Relayed => "relayed",
        }
    }

    /// The class of data that it carries.
    pub fn class(self) -> Class {
        match self {
            Self::Events | Self::History | Self::MovedRooms | Self::Passed | Self::Gateway | Self::Relayed => {
                Class::Content
            }
            Self::Ephemeral => Class::Activity,
            Self::Membership => Class::Room,
            Self::Profiles => Class::Profile,
            Self::Keys => Class::Keys,
            Self::Media | Self::MovedFiles => Class::Media,
            Self::Directory => Class::Directory,
            Self::Vaults | Self::Sealed => Class::Account,
            Self::Evidence => Class::Operational,
        }
    }

    /// What a request of a cell carries to the one that it asks, by its path; nothing for those that only ask, and for transactions, which are counted
    /// by what is in them.
    pub fn of_request(path: &str) -> Option<Self> {
        if let Some(rest) = path.strip_prefix("/_matrix/federation/") {
            let operation = rest.split('/').nth(1)?;
            let carries = matches!(
                operation,
                "send_join" | "send_leave" | "send_knock" | "invite" | "exchange_third_party_invite"
            );
            return carries.then_some(Self::Membership);
        }
        let rest = path.strip_prefix("/_domicile/inner/v1/")?;
        // What a cell asks about itself says nothing.
        let asks = [
            "restore/words",
            "restore/vault",
            "restore/file",
            "restore/room",
            "evidence/report",
            "media/content",
            "people/find",
            "cut",
        ];
        if asks.iter().any(|asked| rest.starts_with(asked)) {
            return None;
        }
        INNER.iter().find(|(begins, _)| rest.starts_with(begins)).map(|(_, flow)| *flow)
    }

    /// What an answer to another cell carries, by the path of what was asked; nothing for answers that only confirm.
    pub fn of_answer(path: &str) -> Option<Self> {
        if path.starts_with("/_matrix/federation/") {
            return Self::of_federation(path);
        }
        let rest = path.strip_prefix("/_domicile/inner/v1/")?;
        let confirms = ["moves/", "restore/keep", "restore/present", "gateway/spooled", "door/", "new_region"];
        if confirms.iter().any(|confirmed| rest.starts_with(confirmed)) {
            return None;
        }
        INNER.iter().find(|(begins, _)| rest.starts_with(begins)).map(|(_, flow)| *flow)
    }

    /// What an operation of the Server-Server API gives away; nothing for those that take, and for the server's own keys and version.
    pub fn of_federation(path: &str) -> Option<Self> {
        let operation = path.strip_prefix("/_matrix/federation/")?.split('/').nth(1)?;
        Some(match operation {
            "backfill" | "get_missing_events" | "event" | "state" | "state_ids" | "event_auth"
            | "timestamp_to_event" => Self::History,
            "make_join" | "send_join" | "make_leave" | "send_leave" | "make_knock" | "send_knock" | "invite" => {
                Self::Membership
            }
            "query" if path.contains("/profile") => Self::Profiles,
            "query" | "publicRooms" | "hierarchy" => Self::Directory,
            "openid" => Self::Profiles,
            "user" => Self::Keys,
            "media" => Self::Media,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_operation_gives_is_known_by_its_path() {
        for (path, given) in [
            ("/_matrix/federation/v1/backfill/{room_id}", Some(Flow::History)),
            ("/_matrix/federation/v2/send_join/{room_id}/{event_id}", Some(Flow::Membership)),
            ("/_matrix/federation/v1/query/profile", Some(Flow::Profiles)),
            ("/_matrix/federation/v1/query/directory", Some(Flow::Directory)),
            ("/_matrix/federation/v1/user/keys/query", Some(Flow::Keys)),
            ("/_matrix/federation/v1/media/download/{media_id}", Some(Flow::Media)),
            ("/_matrix/federation/v1/send/{transaction_id}", None),
            ("/_matrix/federation/v1/version", None),
            ("/_matrix/key/v2/server", None),
        ] {
            assert_eq!(Flow::of_federation(path), given, "{path}");
        }
    }

    #[test]
    fn what_crosses_between_cells_is_known_by_its_path() {
        for (path, carried, answered) in [
            ("/_domicile/inner/v1/moves/vault", Some(Flow::Vaults), None),
            ("/_domicile/inner/v1/moves/room", Some(Flow::MovedRooms), None),
            ("/_domicile/inner/v1/moves/file_piece", Some(Flow::MovedFiles), None),
            ("/_domicile/inner/v1/moves/content", Some(Flow::MovedRooms), None),
            ("/_domicile/inner/v1/media/content", None, Some(Flow::Media)),
            ("/_domicile/inner/v1/media/whose", None, None),
            ("/_domicile/inner/v1/moves/turned", Some(Flow::Directory), None),
            ("/_domicile/inner/v1/names/look_up", Some(Flow::Directory), Some(Flow::Directory)),
            ("/_domicile/inner/v1/client/_matrix/client/v3/sync", Some(Flow::Passed), Some(Flow::Passed)),
            ("/_domicile/inner/v1/gateway/ask?to=x", Some(Flow::Gateway), Some(Flow::Gateway)),
            ("/_domicile/inner/v1/restore/keep", Some(Flow::Sealed), None),
            ("/_domicile/inner/v1/cut", None, Some(Flow::Keys)),
            ("/_domicile/inner/v1/new_region", Some(Flow::Membership), None),
            ("/_domicile/inner/v1/restore/vault", None, Some(Flow::Sealed)),
            ("/_domicile/inner/v1/restore/room", None, Some(Flow::History)),
            ("/_domicile/inner/v1/evidence/report", None, Some(Flow::Evidence)),
            ("/_domicile/inner/v1/people/find", None, Some(Flow::Profiles)),
            ("/_domicile/inner/v1/load", None, None),
            ("/_matrix/federation/v1/send/7", None, None),
            ("/_matrix/federation/v2/invite/!r/$e", Some(Flow::Membership), Some(Flow::Membership)),
            ("/_matrix/federation/v1/state/!r", None, Some(Flow::History)),
        ] {
            assert_eq!((Flow::of_request(path), Flow::of_answer(path)), (carried, answered), "{path}");
        }
    }

    /// The paths that source files of a folder name as constants.
    fn named(folder: &std::path::Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                named(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let paths = text.lines().filter(|line| line.starts_with("pub const ")).filter_map(|line| {
                    let (_, rest) = line.split_once("\"/_domicile/inner/v1/")?;
                    Some(rest.split('"').next().unwrap_or_default().to_owned())
                });
                found.extend(paths);
            }
        }
    }

    #[test]
    fn of_every_path_between_cells_it_is_said_what_it_carries() {
        let mut found = Vec::new();
        named(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
        assert!(found.len() > 40, "{found:?}");
        for path in found {
            let carries = INNER.iter().any(|(begins, _)| path.starts_with(begins));
            let only_asks = ONLY_ASK.iter().any(|begins| path.starts_with(begins));
            assert!(carries != only_asks, "{path}: name it in one of INNER and ONLY_ASK");
        }
    }
}
