//! Whose keys an event needs, found out before it is read: so keys are fetched once for very many events, and nothing else of these is in memory.

use std::collections::BTreeMap;

use base64::Engine as _;
use ruma::{OwnedServerName, ServerName};
use serde_json::value::RawValue;

use super::{hashes::LENIENT, signatures::KEYS_PER_SERVER};

/// Who seems to have signed an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signers {
    /// When the event says that it was sent, in milliseconds since the epoch.
    pub sent_ts: i64,
    /// Servers whose signature may have to be there, with the ids of the keys (`ed25519:…`) with which they say that they signed.
    pub servers: Vec<(OwnedServerName, Vec<String>)>,
}

/// The last value of each key, as it is written.
type Keys<'a> = BTreeMap<String, &'a RawValue>;

/// Who seems to have signed an event. None: it is nothing that [`read`](super::read) would take.
///
/// Every server and key that [`required`](super::Unverified::required) names is among them, and at most three servers are.
pub fn signers(json: &[u8]) -> Option<Signers> {
    let event: Keys<'_> = serde_json::from_slice(json).ok()?;
    let text = |value: &RawValue| serde_json::from_str::<String>(value.get()).ok();
    let server_of = |id: &str| ServerName::parse(id.split_once(':')?.1).ok();
    let sent_ts = event.get("origin_server_ts").and_then(|ts| ts.get().parse().ok()).unwrap_or_default();
    let mut names = Vec::with_capacity(3);
    names.extend(event.get("sender").and_then(|sender| server_of(&text(sender)?)));
    // The id tells a server only in the first room versions; later it is no part of the event.
    names.extend(event.get("event_id").and_then(|id| server_of(&text(id)?)));
    if event.get("type").and_then(|kind| text(kind)).as_deref() == Some("m.room.member")
        && let Some(content) =
            event.get("content").and_then(|content| serde_json::from_str::<Keys<'_>>(content.get()).ok())
        && let Some(user) = content.get("join_authorised_via_users_server")
    {
        names.extend(server_of(&text(user)?));
    }
    names.sort_unstable();
    names.dedup();
    let signatures: Keys<'_> = serde_json::from_str(event.get("signatures")?.get()).ok()?;
    let servers = names.into_iter().filter_map(|server| {
        let of_server: Keys<'_> = serde_json::from_str(signatures.get(server.as_str())?.get()).ok()?;
        let is_one = |signature: &RawValue| text(signature).is_some_and(|signature| LENIENT.decode(signature).is_ok());
        let ids = of_server.into_iter().filter(|(id, signature)| id.starts_with("ed25519:") && is_one(signature));
        Some((server, ids.map(|(id, _)| id).take(KEYS_PER_SERVER).collect()))
    });
    Some(Signers { sent_ts, servers: servers.collect() })
}
