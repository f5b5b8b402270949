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

#[cfg(test)]
mod tests {
    use ruma::owned_server_name;
    use serde_json::{Value, json};

    use super::signers;
    use crate::event::receive::{
        read,
        tests::{message, rules, signed},
    };

    #[test]
    fn who_signed_is_told_of_every_text_as_it_is_read() {
        assert_eq!(signers(b"[]"), None);
        assert_eq!(signers(b"{\"sender\":\"@a:b\"}"), None, "no signatures");
        let rules = rules("11");
        let json = signed(&message(), &["example.org"], &rules);
        let own = vec![(owned_server_name!("example.org"), vec!["ed25519:a1".to_owned()])];
        assert_eq!(signers(json.as_bytes()).unwrap().servers, own);
        // Of a key that stands there twice the last one counts; what is not asked for may be anything.
        let twice = json.replacen('{', "{\"sender\":\"@alice:example.com\",\"content\":7,\"x\":[[{}]],", 1);
        assert!(read(twice.as_bytes(), &rules).is_ok());
        assert_eq!(signers(twice.as_bytes()).unwrap().servers, own);
        // Nobody can name more servers than there are reasons for, or more keys than are looked at.
        let mut many: Value = serde_json::from_str(&json).unwrap();
        for number in 0..100 {
            many["signatures"][format!("s{number}.org")] = json!({ "ed25519:a1": "AAAA" });
            many["signatures"]["example.org"][format!("ed25519:b{number}")] = "AAAA".into();
        }
        many["signatures"]["example.org"]["ed25519:a0"] = "no base64 at all!".into();
        let told = signers(many.to_string().as_bytes()).unwrap().servers;
        assert_eq!((told.len(), told[0].1.len()), (1, 8));
        let read = read(many.to_string().as_bytes(), &rules).unwrap();
        assert!(read.required()[0].signatures.iter().all(|(id, _)| told[0].1.contains(id)));
    }
}
