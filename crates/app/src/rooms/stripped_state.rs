//! Which state of a room somebody outside may see who is invited or knocks (client-server, *Stripped state*; server-server, *Inviting to a room*).

use ruma::UserId;

/// The types of state that are shown, all with an empty key.
const KINDS: [&str; 7] = [
    "m.room.create",
    "m.room.join_rules",
    "m.room.name",
    "m.room.avatar",
    "m.room.topic",
    "m.room.canonical_alias",
    "m.room.encryption",
];

/// What is shown to whom `sender` invited: type and state key. The sender's own member event is the last.
pub fn keys(sender: &UserId) -> impl Iterator<Item = (&'static str, &str)> {
    KINDS.iter().map(|kind| (*kind, "")).chain([("m.room.member", sender.as_str())])
}
