//! The operations of clients that the server answers, read from the first lines of the endpoint files, with a request for each that fits.
//!
//! Tests go through them, so that an operation that is added tomorrow is tested today.

#![expect(clippy::panic, clippy::missing_panics_doc, reason = "a fixture that fails ends its test")]

pub mod peers;

use std::{collections::BTreeMap, fs, path::Path};

use axum::http::Method;
use serde_json::{Value, json};

/// Every operation of the specification: area, method, path, name, who may call it.
const SPECIFIED: &str = include_str!("../../../xtask/data/client-server-operations.txt");
const ENDPOINTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../http/src/client");
/// Endpoints for other servers, which are tested by themselves.
const FEDERATION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../http/src/federation");

/// Who may call an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Who has an access token.
    Token,
    /// Anybody; a token may change the answer.
    Optional,
    /// Anybody.
    Anybody,
}

/// An operation that is served.
#[derive(Clone, Debug)]
pub struct Operation {
    /// `GET` and so on.
    pub method: Method,
    /// With parameters as `{name}`.
    pub path: String,
    /// The specification's name, or method and path of what it does not name.
    pub name: String,
    /// Who may call it.
    pub who: Who,
}

/// What stands in a path: parameter and value.
pub type Values = BTreeMap<&'static str, String>;

/// All operations that are served, by name.
pub fn served() -> Vec<Operation> {
    let mut specified = BTreeMap::new();
    for line in SPECIFIED.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let words: Vec<&str> = line.split(' ').collect();
        let [_, method, path, name, who, ..] = words.as_slice() else { panic!("`{line}` has too few words") };
        specified.entry(key(method, path)).or_insert((*name, *who));
    }
    let mut served = Vec::new();
    declared(Path::new(ENDPOINTS), &mut |method, path| {
        // What is served to other servers has tests of its own.
        if peers::is_for_servers(path) {
            return;
        }
        let (name, who) = match specified.get(&key(method, path)) {
            Some((name, "token")) => ((*name).to_owned(), Who::Token),
            Some((name, "optional")) => ((*name).to_owned(), Who::Optional),
            Some((name, "none")) => ((*name).to_owned(), Who::Anybody),
            Some((name, who)) => panic!("{name} may be called by `{who}`, and these tests do not know who that is"),
            None => (format!("{method} {path}"), unspecified(path)),
        };
        let method = method.parse().unwrap_or_else(|_| panic!("{method} is no method"));
        served.push(Operation { method, path: path.to_owned(), name, who });
    });
    served.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(served.len() > 90, "only {} endpoint files were found", served.len());
    served
}

/// Method and path of all operations for other servers that are served.
pub fn for_servers() -> Vec<(Method, String)> {
    let mut served = Vec::new();
    declared(Path::new(FEDERATION), &mut |method, path| {
        served.push((method.parse().unwrap_or_else(|_| panic!("{method} is no method")), path.to_owned()));
    });
    served
}

/// Who may call an operation that is not of the specification: who has a token, unless it says so here.
fn unspecified(path: &str) -> Who {
    if path.starts_with("/.well-known/") || path.starts_with("/_matrix/federation/v1/openid/") {
        Who::Anybody
    } else {
        Who::Token
    }
}

fn key(method: &str, path: &str) -> String {
    let path: Vec<&str> = path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part }).collect();
    format!("{method} {}", path.join("/"))
}

fn declared(folder: &Path, found: &mut impl FnMut(&str, &str)) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.map_or_else(|error| panic!("{}: {error}", folder.display()), |entry| entry.path());
        if path.is_dir() {
            declared(&path, found);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for line in text.lines().take_while(|line| line.starts_with("//!")) {
            let mut words = line.trim_start_matches("//! ").splitn(3, ' ');
            let (method, path, section) = (words.next(), words.next(), words.next());
            if let (Some(method), Some(path), Some(section)) = (method, path, section)
                && ["GET", "PUT", "POST", "DELETE"].contains(&method)
                && (path.starts_with("/_matrix/") || path.starts_with("/.well-known/"))
                && section.starts_with('(')
            {
                found(method, path);
            }
        }
    }
}

impl Operation {
    /// Whether a parameter stands in the path.
    pub fn has(&self, parameter: &str) -> bool {
        self.path.split('/').any(|part| part.trim_matches(['{', '}']) == parameter && part.starts_with('{'))
    }

    /// The path with the values in the places of the parameters, and with the query that the operation cannot do without.
    pub fn uri(&self, values: &Values) -> String {
        let parts =
            self.path.split('/').map(|part| match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
                Some(parameter) => match values.get(parameter) {
                    Some(value) => value.clone(),
                    None => panic!("{}: add a value for {{{parameter}}} to `operations::values`", self.name),
                },
                None => part.to_owned(),
            });
        let path = parts.collect::<Vec<_>>().join("/");
        let query = query(&self.name, values);
        if query.is_empty() { path } else { format!("{path}?{query}") }
    }

    /// Whether the operation reads a JSON body.
    pub fn has_body(&self) -> bool {
        let media = ["uploadContent", "uploadContentToMXC", "createContent"].contains(&self.name.as_str());
        (self.method == Method::PUT || self.method == Method::POST) && !media
    }

    /// A body that fits.
    pub fn body(&self, values: &Values) -> Value {
        body(&self.name, values)
    }
}

/// A value for every parameter there is: those of the arguments, and things that exist nowhere.
pub fn values(user_id: &str, device_id: &str, room_id: &str, event_id: &str) -> Values {
    [
        ("userId", user_id),
        ("deviceId", device_id),
        ("device_id", device_id),
        ("roomId", room_id),
        ("roomIdOrAlias", room_id),
        ("eventId", event_id),
        ("other", "@carol:localhost"),
        ("txnId", "txn"),
        ("type", "org.example.type"),
        ("eventType", "m.room.topic"),
        ("stateKey", ""),
        ("filterId", "0"),
        ("version", "1"),
        ("sessionId", "session"),
        ("roomAlias", "%23somewhere:localhost"),
        ("kind", "override"),
        ("ruleId", "org.example.rule"),
        ("keyName", "displayname"),
        ("receiptType", "m.read"),
        ("tag", "u.work"),
        ("serverName", "localhost"),
        ("mediaId", "nothing"),
        ("fileName", "nothing.png"),
        ("relType", "m.thread"),
        ("protocol", "irc"),
        ("idpId", "idp"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into()
}

fn query(name: &str, values: &Values) -> String {
    let other = values.get("other").map_or("", String::as_str);
    match name {
        "checkUsernameAvailability" => "username=nobody".to_owned(),
        "getContentThumbnailAuthed" | "getContentThumbnail" => "width=32&height=32".to_owned(),
        // They wait for news where nothing else is said.
        "getEvents" => "timeout=0".to_owned(),
        "getEventByTimestamp" => "ts=1780000000000&dir=b".to_owned(),
        "getKeysChanges" => "from=s0_0&to=s0_0".to_owned(),
        "getMutualRooms" => format!("user_id={other}"),
        "getRoomEvents" => "dir=b".to_owned(),
        "getUrlPreview" | "getUrlPreviewAuthed" => "url=http%3A%2F%2F127.0.0.1%2F".to_owned(),
        "queryLocationByAlias" => "alias=%23somewhere%3Alocalhost".to_owned(),
        "queryUserByID" => format!("userid={other}"),
        "registrationTokenValidity" => "token=nothing".to_owned(),
        name if name.contains("RoomKey") && !name.contains("Version") => "version=1".to_owned(),
        _ => String::new(),
    }
}

fn body(name: &str, values: &Values) -> Value {
    let value = |parameter: &str| values.get(parameter).map_or("", String::as_str);
    let algorithm = json!({
        "algorithm": "m.megolm_backup.v1.curve25519-aes-sha2",
        "auth_data": { "public_key": "abcdefg", "signatures": {} },
    });
    match name {
        "ban" | "inviteUser" | "kick" | "unban" => json!({ "user_id": value("other") }),
        "changePassword" => json!({ "new_password": "a new and longer password" }),
        "claimKeys" => json!({ "one_time_keys": {} }),
        "deleteDevices" => json!({ "devices": [value("deviceId")] }),
        "login" => {
            json!({ "type": "m.login.password", "identifier": { "type": "m.id.user", "user": "x" }, "password": "x" })
        }
        "postPusher" => json!({ "app_id": "app", "pushkey": "key", "kind": null }),
        "postRoomKeysVersion" | "putRoomKeysVersion" => algorithm,
        "putRoomKeyBySessionId" => json!({
            "first_message_index": 0, "forwarded_count": 0, "is_verified": false,
            "session_data": { "ephemeral": "a", "ciphertext": "b", "mac": "c" },
        }),
        "putRoomKeys" => json!({ "rooms": {} }),
        "putRoomKeysByRoomId" => json!({ "sessions": {} }),
        "queryKeys" => json!({ "device_keys": {} }),
        "refresh" => json!({ "refresh_token": "nothing" }),
        "reportRoom" | "reportUser" => json!({ "reason": "it is bad" }),
        "search" => json!({ "search_categories": { "room_events": { "search_term": "x" } } }),
        "searchUserDirectory" => json!({ "search_term": "ali" }),
        "sendToDevice" => json!({ "messages": {} }),
        "setAdminLockUser" => json!({ "locked": true }),
        "setAdminSuspendUser" => json!({ "suspended": true }),
        "setPresence" => json!({ "presence": "online" }),
        "setProfileField" => json!({ "displayname": "Somebody" }),
        "setPushRule" => json!({ "actions": [], "conditions": [] }),
        "setPushRuleActions" => json!({ "actions": [] }),
        "setPushRuleEnabled" => json!({ "enabled": true }),
        "setReadMarker" => json!({ "m.fully_read": value("eventId") }),
        "setRoomAlias" => json!({ "room_id": value("roomId") }),
        "setRoomStateWithKey" => json!({ "topic": "tea" }),
        "setRoomVisibilityOnDirectory" => json!({ "visibility": "public" }),
        "setTyping" => json!({ "typing": true, "timeout": 30_000 }),
        "sendMessage" => json!({ "msgtype": "m.text", "body": "hello" }),
        "updateDevice" => json!({ "display_name": "a device" }),
        "upgradeRoom" => json!({ "new_version": "11" }),
        name if name.ends_with("/jurisdiction") => json!({ "jurisdiction": "DE" }),
        name if name.ends_with("/dehydrated_device") => json!({
            "device_id": "DEHYDRATED",
            "device_data": { "algorithm": "org.matrix.msc3814.v2", "device_pickle": "sealed", "nonce": "n" },
            "device_keys": {
                "user_id": value("userId"), "device_id": "DEHYDRATED", "algorithms": [], "keys": {}, "signatures": {},
            },
        }),
        _ => json!({}),
    }
}
