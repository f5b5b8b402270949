//! Which events of a room cross where the rule is `encrypted_only`: an allow-list. What is not named here does not cross.

use ruma::canonical_json::CanonicalJsonObject;

/// What crosses beside encrypted messages and the state without which there is no room. Each is withheld unless the operator says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the document with two words")]
pub struct CrossingSettings {
    /// Reactions, which nobody encrypts.
    pub reactions: bool,
    /// Names, topics and pictures of rooms.
    pub topics: bool,
    /// State of kinds that are not named here.
    pub custom_state: bool,
    /// Who is in a call.
    pub calls: bool,
    /// What somebody wrote to be let in, and reasons of removals and redactions.
    pub reasons: bool,
    /// Who has read what.
    pub receipts: bool,
    /// Who is typing.
    pub typing: bool,
}

/// An event as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub struct EventShape<'e> {
    /// Its type.
    pub kind: &'e str,
    /// Whether it is state.
    pub is_state: bool,
    /// Its content.
    pub content: &'e CanonicalJsonObject,
}

/// What becomes of an event at the border.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Crosses {
    /// It crosses as it is.
    Whole,
    /// It crosses in its redacted form, which still verifies and resolves. The sentence says why, for whoever would send such a thing.
    Redacted(&'static str),
}

/// State without which a room does not work, or is not safe.
const NEEDED: &[&str] = &[
    "m.room.create",
    "m.room.power_levels",
    "m.room.join_rules",
    "m.room.history_visibility",
    "m.room.guest_access",
    "m.room.encryption",
    "m.room.server_acl",
    "m.room.tombstone",
    "m.room.policy",
    "org.matrix.msc4284.policy",
    super::FENCE,
];
/// State that says what a room is about.
const TOPICS: &[&str] =
    &["m.room.name", "m.room.topic", "m.room.avatar", "m.room.canonical_alias", "m.room.pinned_events"];
/// What ties branches of a room together, and says nothing: servers make it themselves.
const TIE: &str = "org.matrix.dummy_event";
/// State of calls.
const CALLS: &[&str] = &["m.call", "m.call.member", "org.matrix.msc3401.call", "org.matrix.msc3401.call.member"];
/// Messages of calls, which some clients send unencrypted.
const CALL_MESSAGES: &str = "m.call.";
/// Keys of a membership without which it does not work. The rest is profile, or text of somebody's own.
const MEMBERSHIP: &[&str] = &["membership", "join_authorised_via_users_server", "third_party_invite", "is_direct"];
/// Keys of a profile in a membership. Whether these cross is for `profiles` to say.
const PROFILE: &[&str] = &["displayname", "avatar_url"];
/// Why a membership with such a key does not cross.
const NAMES: &str = "Names and pictures of people are not shared in this room.";

/// What becomes of an event of a room that leaves its sender's region although everything crosses: names and pictures do not where they are withheld.
pub fn crosses_openly(event: EventShape<'_>, shows_profiles: bool) -> Crosses {
    let is_member = event.is_state && event.kind == "m.room.member";
    if is_member && !shows_profiles && event.content.keys().any(|key| PROFILE.contains(&key.as_str())) {
        return Crosses::Redacted(NAMES);
    }
    Crosses::Whole
}

/// What becomes of an event of a room that is under `encrypted_only`. `shows_profiles` says whether names and pictures cross.
pub fn crosses(event: EventShape<'_>, settings: CrossingSettings, shows_profiles: bool) -> Crosses {
    let if_set = |set: bool, why: &'static str| if set { Crosses::Whole } else { Crosses::Redacted(why) };
    let EventShape { kind, is_state, content } = event;
    match kind {
        "m.room.encrypted" if !is_state => encrypted(content),
        "m.room.member" if is_state => member(content, settings, shows_profiles),
        "m.room.redaction" if !is_state => redaction(content, settings),
        "m.reaction" if !is_state => if_set(
            settings.reactions,
            "Reactions cannot be encrypted, and only what is encrypted may be shared in this room.",
        ),
        kind if is_state && NEEDED.contains(&kind) => Crosses::Whole,
        TIE if !is_state && content.is_empty() => Crosses::Whole,
        kind if is_state && TOPICS.contains(&kind) => if_set(
            settings.topics,
            "The room's name, topic and picture cannot be encrypted, and only what is encrypted may be shared in this room.",
        ),
        kind if (is_state && CALLS.contains(&kind)) || (!is_state && kind.starts_with(CALL_MESSAGES)) => if_set(
            settings.calls,
            "Who calls whom cannot be encrypted, and only what is encrypted may be shared in this room.",
        ),
        _ if is_state => if_set(
            settings.custom_state,
            "This setting of the room cannot be encrypted, and only what is encrypted may be shared in this room.",
        ),
        _ => {
            Crosses::Redacted("This message is not encrypted, and only encrypted messages may be shared in this room.")
        }
    }
}

/// An encrypted message has ciphertext, and what stands beside it in the clear is what clients need: an event that only calls itself encrypted
/// would carry anything.
fn encrypted(content: &CanonicalJsonObject) -> Crosses {
    const KEYS: &[&str] =
        &["algorithm", "ciphertext", "sender_key", "device_id", "session_id", "m.relates_to", "m.mentions"];
    let fits = content.get("algorithm").and_then(|algorithm| algorithm.as_str()) == Some("m.megolm.v1.aes-sha2")
        && content.get("ciphertext").is_some_and(|ciphertext| ciphertext.as_str().is_some())
        && content.keys().all(|key| KEYS.contains(&key.as_str()));
    if fits {
        Crosses::Whole
    } else {
        Crosses::Redacted(
            "This message has unencrypted parts beside the encrypted one, and only encrypted messages may be shared in this room.",
        )
    }
}

/// A redaction says what it redacts, and why if reasons cross.
fn redaction(content: &CanonicalJsonObject, settings: CrossingSettings) -> Crosses {
    for key in content.keys().map(String::as_str) {
        match key {
            "redacts" => {}
            "reason" if settings.reasons => {}
            "reason" => return Crosses::Redacted("The reason of a redaction cannot be encrypted: leave it away."),
            _ => {
                return Crosses::Redacted(
                    "What stands beside this redaction cannot be encrypted, and only what is encrypted may be shared in this room.",
                );
            }
        }
    }
    Crosses::Whole
}

fn member(content: &CanonicalJsonObject, settings: CrossingSettings, shows_profiles: bool) -> Crosses {
    for key in content.keys().map(String::as_str) {
        let why = match key {
            key if MEMBERSHIP.contains(&key) => continue,
            key if PROFILE.contains(&key) && shows_profiles => continue,
            key if PROFILE.contains(&key) => NAMES,
            "reason" if settings.reasons => continue,
            "reason" => {
                "A reason cannot be encrypted, and only what is encrypted may be shared in this room: leave it away."
            }
            _ if settings.custom_state => continue,
            _ => {
                "What stands beside this membership cannot be encrypted, and only what is encrypted may be shared in this room."
            }
        };
        return Crosses::Redacted(why);
    }
    Crosses::Whole
}
