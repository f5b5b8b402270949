//! The operations that the server answers to other servers, with a request for each that fits.

use std::path::Path;

use axum::http::Method;
use serde_json::{Value, json};

use super::{FEDERATION, Values, declared, key};

/// Every operation of the specification: area, method, path, name, who may call it, ruma's module.
const SPECIFIED: &str = include_str!("../../../../xtask/data/server-server-operations.txt");

/// An operation that is served to other servers.
#[derive(Clone, Debug)]
pub struct PeerOperation {
    /// `GET` and so on.
    pub method: Method,
    /// With parameters as `{name}`.
    pub path: String,
    /// The specification's name, or method and path of what it does not name.
    pub name: String,
    /// Whether the other server signs its request.
    pub signed: bool,
}

/// Whether a path is of the Server-Server API.
pub(super) fn is_for_servers(path: &str) -> bool {
    ["/_matrix/federation/", "/_matrix/key/", "/_matrix/policy/", "/.well-known/matrix/server"]
        .iter()
        .any(|beginning| path.starts_with(beginning))
}

/// All operations that are served to other servers, by name.
pub fn served() -> Vec<PeerOperation> {
    let lines = SPECIFIED.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let specified: Vec<(String, String, bool)> = lines
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            let [_, method, path, name, who, _] = words.as_slice() else { panic!("`{line}` has not six words") };
            (key(method, path), (*name).to_owned(), *who == "signed")
        })
        .collect();
    let mut served = Vec::new();
    declared(Path::new(FEDERATION), &mut |method, path| {
        if is_for_servers(path) {
            let known = specified.iter().find(|(known, _, _)| *known == key(method, path));
            let (name, signed) =
                known.map_or_else(|| (format!("{method} {path}"), true), |(_, name, signed)| (name.clone(), *signed));
            let method = method.parse().unwrap_or_else(|_| panic!("{method} is no method"));
            served.push(PeerOperation { method, path: path.to_owned(), name, signed });
        }
    });
    served.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(served.len() > 15, "only {} endpoint files for servers were found", served.len());
    served
}

impl PeerOperation {
    /// Whether a parameter stands in the path.
    pub fn has(&self, parameter: &str) -> bool {
        self.path.split('/').any(|part| part.starts_with('{') && part.trim_matches(['{', '}']) == parameter)
    }

    /// The path with the values in the places of the parameters, and with the query that the operation cannot do without.
    pub fn uri(&self, values: &Values) -> String {
        let parts =
            self.path.split('/').map(|part| match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
                Some(parameter) => match values.get(parameter) {
                    Some(value) => value.clone(),
                    None => panic!("{}: there is no value for {{{parameter}}}", self.name),
                },
                None => part.to_owned(),
            });
        let path = parts.collect::<Vec<_>>().join("/");
        let query = self.query(values);
        if query.is_empty() { path } else { format!("{path}?{query}") }
    }

    fn query(&self, values: &Values) -> String {
        let value = |parameter: &str| values.get(parameter).map_or("", String::as_str);
        match self.name.as_str() {
            "backfillRoom" => format!("v={}&limit=10", value("eventId")),
            "getRoomState" | "getRoomStateIds" => format!("event_id={}", value("eventId")),
            "getEventByTimestamp" => "ts=1780000000000&dir=b".to_owned(),
            "getContentThumbnail" => "width=32&height=32".to_owned(),
            "queryProfile" => format!("user_id={}", value("userId")),
            "queryRoomDirectory" => format!("room_alias={}", value("roomAlias")),
            "makeJoin" | "makeKnock" => "ver=10&ver=11&ver=12".to_owned(),
            _ => String::new(),
        }
    }

    /// The query's parameters without which the request does not fit, each with what does not fit in its place.
    pub fn misfits(&self) -> &'static [&'static str] {
        match self.name.as_str() {
            "backfillRoom" => &["limit=10", "v=nonsense&limit=10", "v=$a&limit=many"],
            "getRoomState" | "getRoomStateIds" => &["", "event_id=nonsense"],
            "getEventByTimestamp" => &["", "ts=now&dir=b", "ts=1&dir=up"],
            "getContentThumbnail" => &["", "width=wide&height=1", "width=0&height=0"],
            "getPublicRooms" => &["limit=many", "since=nonsense"],
            "queryProfile" => &["", "user_id=nonsense"],
            "queryRoomDirectory" => &["", "room_alias=nonsense"],
            _ => &[],
        }
    }

    /// A body that fits; none where none is read.
    pub fn body(&self, values: &Values) -> Option<Value> {
        let value = |parameter: &str| values.get(parameter).map_or("", String::as_str);
        if self.method == Method::GET {
            return None;
        }
        Some(match self.name.as_str() {
            "getMissingPreviousEvents" => json!({ "earliest_events": [], "latest_events": [value("eventId")] }),
            "claimUserEncryptionKeys" => json!({ "one_time_keys": {} }),
            "queryUserEncryptionKeys" => json!({ "device_keys": {} }),
            "bulkPerspectivesKeyQuery" => json!({ "server_keys": {} }),
            "sendTransaction" => {
                json!({ "origin": value("origin"), "origin_server_ts": 1, "pdus": [], "edus": [] })
            }
            "exchangeThirdPartyInvite" => json!({
                "type": "m.room.member", "room_id": value("roomId"), "sender": value("userId"), "state_key": value("other"),
                "content": { "membership": "invite", "third_party_invite": {
                    "display_name": "b", "signed": { "mxid": value("other"), "token": "none", "signatures": {} },
                } },
            }),
            "onBindThirdPartyIdentifier" => {
                json!({ "medium": "email", "address": "a@example.org", "mxid": value("userId"), "invites": [] })
            }
            _ => json!({}),
        })
    }
}
