//! The operations of the Server-Server API, version 1.19, with who answers each.

/// Who answers for the deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// The gateway itself.
    Gateway,
    /// A cell in the room that the path names.
    Room,
    /// The home of the user whom path or query names.
    User,
    /// The homes of all users of the body.
    Users,
    /// The home of whom an invite is for.
    Invited,
    /// The first cell that knows.
    Any,
    /// All cells, page by page.
    Pages,
    /// The cells that each event and each EDU concerns.
    Transaction,
}

/// Where an answer has events, whose signatures are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Nowhere.
    None,
    /// Under these keys, one event or a list of them each.
    Lists(&'static [&'static str]),
    /// The same in the second of two parts, as the first version of some operations has it.
    Pair(&'static [&'static str]),
}

/// An operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The method.
    pub method: &'static str,
    /// The path, with names in braces.
    pub path: &'static str,
    /// What the specification calls it.
    pub name: &'static str,
    /// Who answers.
    pub route: Route,
    /// Where the answer has events.
    pub told: Told,
    /// Which cell is asked, for people.
    asked: &'static str,
    /// How answers become one.
    joined: &'static str,
    /// What happens where a cell is not reached.
    failing: &'static str,
}

impl Route {
    fn word(self) -> &'static str {
        match self {
            Self::Gateway => "none",
            Self::Room => "room",
            Self::User => "user",
            Self::Users => "users",
            Self::Invited => "invited user",
            Self::Any => "any",
            Self::Pages => "pages",
            Self::Transaction => "room, user",
        }
    }
}

/// The table as text.
pub fn table() -> String {
    let head = [
        "| operation | | by | asked | answers become one | where a cell is not reached |".to_owned(),
        "| --- | --- | --- | --- | --- | --- |".to_owned(),
    ];
    let rows = OPERATIONS.iter().map(|Operation { method, path, name, route, asked, joined, failing, .. }| {
        format!("| `{method} {path}` | {name} | {} | {asked} | {joined} | {failing} |", route.word())
    });
    head.into_iter().chain(rows).collect::<Vec<String>>().join("\n")
}

/// All of them, and the first versions of joins and leaves, which other servers may still call.
pub const OPERATIONS: &[Operation] = &[
    Operation {
        method: "GET",
        path: "/.well-known/matrix/server",
        name: "getWellknown",
        route: Route::Gateway,
        told: Told::None,
        asked: "the gateway's own configuration",
        joined: "one answer",
        failing: "none: no cell is asked",
    },
    Operation {
        method: "GET",
        path: "/_matrix/key/v2/server",
        name: "getServerKey",
        route: Route::Gateway,
        told: Told::None,
        asked: "the gateway: all outer keys of the deployment document",
        joined: "one answer",
        failing: "none: no cell is asked",
    },
    Operation {
        method: "GET",
        path: "/_matrix/key/v2/query/{serverName}",
        name: "perspectivesKeyQuery",
        route: Route::Gateway,
        told: Told::None,
        asked: "the gateway",
        joined: "one answer",
        failing: "none: no cell is asked",
    },
    Operation {
        method: "POST",
        path: "/_matrix/key/v2/query",
        name: "bulkPerspectivesKeyQuery",
        route: Route::Gateway,
        told: Told::None,
        asked: "the gateway",
        joined: "one answer",
        failing: "none: no cell is asked",
    },
    Operation {
        method: "GET",
        path: "/_matrix/federation/v1/version",
        name: "getVersion",
        route: Route::Gateway,
        told: Told::None,
        asked: "the gateway",
        joined: "one answer",
        failing: "none: no cell is asked",
    },
    Operation {
        method: "PUT",
        path: "/_matrix/federation/v1/send/{txnId}",
        name: "sendTransaction",
        route: Route::Transaction,
        told: Told::None,
        asked: "for an event the cells in its room, and the home of whom a membership is about; for an EDU the homes or the room's cells that it concerns",
        joined: "errors by event: one only if all cells of the room refuse it",
        failing: "what is for a cell that is not reached is sealed for it and kept; if there is no place left, 503",
    },
    Operation {
        method: "GET",
        path: "/_matrix/federation/v1/event/{eventId}",
        name: "getEvent",
        route: Route::Any,
        told: Told::Lists(&["pdus"]),
        asked: "all cells, one after another",
        joined: "the first that has it",
        failing: "the others are asked; if none has it and one was not reached, 504",
    },
    Operation {
        method: "GET",
        path: "/_matrix/federation/v1/state/{roomId}",
        name: "getRoomState",
        route: Route::Room,
        told: Told::Lists(&["pdus", "auth_chain"]),
        asked: "a cell in the room",
        joined: "the first that answers",
        failing: "the next cell in the room; 504 if none is reached",
    },
    Operation {
        method: "GET",
        path: "/_matrix/federation/v1/state_ids/{roomId}",
        name: "getRoomStateIds",
        route: Route::Room,
        told: Told::None,
        asked: "a cell in the room",
        joined: "the first that answers",
        failing: "the next cell in the room; 504 if none is reached",
    },
    Operation {
        method: "GET",
        path: "/_matrix/federation/v1/event_auth/{roomId}/{eventId}",
        name: "getEventAuth",
        route: Route::Room,
        told: Told::Lists(&["auth_chain"]),
        asked: "a cell in the room",
        joined: "the first that answers",
        failing: "the next cell in the room; 504 if none is reached",
    },
    Operation {
        method: "GET",
        path: "/_matrix/federation/v1/backfill/{roomId}",
        name: "backfillRoom",
        route: Route::Room,
        told: Told::Lists(&["pdus"]),
        asked: "a cell in the room",
        joined: "the first that answers",
        failing: "the next cell in the room; 504 if none is reached",
    },
    Operation {
        method: "POST",
        path: "/_matrix/federation/v1/get_missing_events/{roomId}",
        name: "getMissingPreviousEvents",
        route: Route::Room,
        told: Told::Lists(&["events"]),
        asked: "a cell in the room",
        joined: "the first that answers",
        failing: "the next cell in the room; 504 if none is reached",
    },
    Operation {
        method: "GET",
        path: "/_matrix/federation/v1/timestamp_to_event/{roomId}",
        name: "getEventByTimestamp",
        route: Route::Room,
        told: Told::None,
        asked: "a cell in the room",
        joined: "the first that answers",
        failing: "the next cell in the room; 504 if none is reached",
    },
    Operation {
        method: "GET",
        path: "/_matrix/federation/v1/make_join/{roomId}/{userId}",
        name: "makeJoin",
        route: Route::Room,
        told: Told::None,
        asked: "a cell in the room",
        joined: "the first that lets in: after `M_UNABLE_TO_GRANT_JOIN` the next is asked",
        failing: "the next cell in the room; 504 if none is reached",
    },
    Operation {
        method: "PUT",
        path: "/_matrix/federation/v2/send_join/{roomId}/{eventId}",
        name: "sendJoinV2",
        route: Route::Room,
        told: Told::Lists(&["state", "auth_chain", "event"]),
        asked: "a cell in the room, by whose hand all others hear of it",
        joined: "the first that lets in",
        failing: "the next cell in the room; 504 if none is reached",
    },
    Operation {
        method: "PUT",
        path: "/_matrix/federation/v1/send_join/{roomId}/{eventId}",
        name: "sendJoinV1",
        route: Route::Room,
        told: Told::Pair(&["state", "auth_chain", "event"]),
        asked: "as version 2",
        joined: "as version 2",
        failing: "as version 2",
    },
    Operation {
        method: "GET",
        path: "/_matrix/federation/v1/make_knock/{roomId}/{userId}",
        name: "makeKnock",
        route: Route::Room,
        told: Told::None,
        asked: "a cell in the room",
        joined: "the first that answers",
        failing: "the next cell in the room; 504 if none is reached",
    },
    Operation {
        method: "PUT",
        path: "/_matrix/federation/v1/send_knock/{roomId}/{eventId}",
        name: "sendKnock",
        route: Route::Room,
        told: Told::Lists(&["knock_room_state"]),
        asked: "a cell in the room, by whose hand all others hear of it",
        joined: "the first that answers",
        failing: "the next cell in the room; 504 if none is reached",
    },
    Operation {
        method: "GET",
        path: "/_matrix/federation/v1/make_leave/{roomId}/{userId}",
        name: "makeLeave",
        route: Route::Room,
        told: Told::None,
        asked: "a cell in the room",
        joined: "the first that answers",
        failing: "the next cell in the room; 504 if none is reached",
    },
    Operation {
        method: "PUT",
        path: "/_matrix/federation/v2/send_leave/{roomId}/{eventId}",
        name: "sendLeaveV2",
        route: Route::Room,
        told: Told::None,
        asked: "a cell in the room, by whose hand all others hear of it",
        joined: "the first that answers",
        failing: "the next cell in the room; 504 if none is reached",
    },
    Operation {
        method: "PUT",
        path: "/_matrix/federation/v1/send_leave/{roomId}/{eventId}",
        name: "sendLeaveV1",
        route: Route::Room,
        told: Told::None,
        asked: "as version 2",
        joined: "as version 2",
        failing: "as version 2",
    },
    Operation {
        method: "PUT",
        path: "/_matrix/federation/v2/invite/{roomId}/{eventId}",
        name: "sendInviteV2",
        route: Route::Invited,
        told: Told::Lists(&["event"]),
        asked: "the home of whom the invite is for",
        joined: "one answer",
        failing: "504: an invite that nobody could show is not signed",
    },
    Operation {
        method: "PUT",
        path: "/_matrix/federation/v1/invite/{roomId}/{eventId}",
        name: "sendInviteV1",
        route: Route::Invited,
        told: Told::Pair(&["event"]),
        asked: "as version 2",
        joined: "as version 2",
        failing: "as version 2",
    },
    Operation {
        method: "PUT",
        path: "/_matrix/federation/v1/exchange_third_party_invite/{roomId}",
        name: "exchangeThirdPartyInvite",
        route: Route::Room,
        told: Told::None,
        asked: "a cell in the room",
        joined: "the first that answers",
        failing: "the next cell in the room; 504 if none is reached",
    },
    Operation {
        method: "PUT",
        path: "/_matrix/federation/v1/3pid/onbind",
        name: "onBindThirdPartyIdentifier",
        route: Route::Gateway,
        told: Told::None,
        asked: "the gateway: it is not served",
        joined: "one answer",
        failing: "none: no cell is asked",
    },
    Operation {
        method: "GET",
        path: "/_matrix/federation/v1/publicRooms",
        name: "getPublicRooms",
        route: Route::Pages,
        told: Told::None,
        asked: "all cells, one after another",
        joined: "page after page",
        failing: "a cell that is not reached is passed over: its rooms are not in the list",
    },
    Operation {
        method: "POST",
        path: "/_matrix/federation/v1/publicRooms",
        name: "queryPublicRooms",
        route: Route::Pages,
        told: Told::None,
        asked: "all cells, one after another",
        joined: "page after page",
        failing: "a cell that is not reached is passed over: its rooms are not in the list",
    },
    Operation {
        method: "GET",
        path: "/_matrix/federation/v1/hierarchy/{roomId}",
        name: "getSpaceHierarchy",
        route: Route::Room,
        told: Told::None,
        asked: "a cell in the room",
        joined: "the first that answers",
        failing: "the next cell in the room; 504 if none is reached",
    },
    Operation {
        method: "GET",
        path: "/_matrix/federation/v1/query/directory",
        name: "queryRoomDirectory",
        route: Route::Any,
        told: Told::None,
        asked: "all cells, one after another",
        joined: "the first that knows the alias",
        failing: "the others are asked; if none knows it and one was not reached, 504",
    },
    Operation {
        method: "GET",
        path: "/_matrix/federation/v1/query/profile",
        name: "queryProfile",
        route: Route::User,
        told: Told::None,
        asked: "the user's home",
        joined: "one answer",
        failing: "504",
    },
    Operation {
        method: "GET",
        path: "/_matrix/federation/v1/query/{queryType}",
        name: "queryInfo",
        route: Route::Gateway,
        told: Told::None,
        asked: "the gateway: it knows no other type",
        joined: "one answer",
        failing: "none: no cell is asked",
    },
    Operation {
        method: "GET",
        path: "/_matrix/federation/v1/openid/userinfo",
        name: "exchangeOpenIdToken",
        route: Route::Any,
        told: Told::None,
        asked: "all cells, one after another: the token names none",
        joined: "the first that knows the token",
        failing: "the others are asked; if none knows it and one was not reached, 504",
    },
    Operation {
        method: "GET",
        path: "/_matrix/federation/v1/user/devices/{userId}",
        name: "getUserDevices",
        route: Route::User,
        told: Told::None,
        asked: "the user's home",
        joined: "one answer; the numbers of the list are the home's",
        failing: "504",
    },
    Operation {
        method: "POST",
        path: "/_matrix/federation/v1/user/keys/query",
        name: "queryUserEncryptionKeys",
        route: Route::Users,
        told: Told::None,
        asked: "the home of each user",
        joined: "the answers are put together",
        failing: "504 if one home is not reached: a user is never left out without a word",
    },
    Operation {
        method: "POST",
        path: "/_matrix/federation/v1/user/keys/claim",
        name: "claimUserEncryptionKeys",
        route: Route::Users,
        told: Told::None,
        asked: "the home of each user",
        joined: "the answers are put together",
        failing: "504 if no home is reached; else who was not reached has no key in the answer, as somebody who has none left",
    },
    Operation {
        method: "GET",
        path: "/_matrix/federation/v1/media/download/{mediaId}",
        name: "getContent",
        route: Route::Any,
        told: Told::None,
        asked: "all cells, one after another: the id names none",
        joined: "the first that has it; nothing of it is kept",
        failing: "the others are asked; if none has it and one was not reached, 504",
    },
    Operation {
        method: "GET",
        path: "/_matrix/federation/v1/media/thumbnail/{mediaId}",
        name: "getContentThumbnail",
        route: Route::Any,
        told: Told::None,
        asked: "all cells, one after another",
        joined: "the first that has it; nothing of it is kept",
        failing: "the others are asked; if none has it and one was not reached, 504",
    },
    Operation {
        method: "POST",
        path: "/_matrix/policy/v1/sign",
        name: "askPolicyServerToSign",
        route: Route::Gateway,
        told: Told::None,
        asked: "the gateway: the deployment is no policy server",
        joined: "one answer",
        failing: "none: no cell is asked",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_in_docs_is_this_one() {
        let page = include_str!("../../../../docs/inner-routing.md");
        for line in table().lines() {
            assert!(page.lines().any(|found| found == line), "docs/inner-routing.md lacks the line\n{line}");
        }
        let rows = page.lines().filter(|line| line.starts_with("| `")).count();
        assert_eq!(rows, OPERATIONS.len(), "docs/inner-routing.md has rows that are no operations");
    }

    #[test]
    fn each_operation_of_the_coverage_page_is_routed() {
        let page = include_str!("../../../../docs/federation-coverage.md");
        let mut count = 0;
        for line in page.lines().filter_map(|line| line.strip_prefix("| `")) {
            let (operation, _) = line.split_once('`').unwrap();
            assert!(
                OPERATIONS.iter().any(|row| format!("{} {}", row.method, row.path) == operation),
                "{operation} has no route"
            );
            count += 1;
        }
        assert_eq!(count, 36);
    }
}
