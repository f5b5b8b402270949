//! A server's list of its keys, as it came: read, bounded, and checked against its own signatures.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use domicile_core::{clock::DAY_MS, limits};
use domicile_store::table::remote_keys::RemoteKey;
use ruma::{
    CanonicalJsonObject, CanonicalJsonValue, ServerName, SigningKeyAlgorithm,
    signatures::{to_canonical_json_string_for_signing, verify_canonical_json_bytes},
};

/// Bytes of a list.
pub(super) const BYTES: usize = 64 * 1024;
/// Keys of a list, old ones among them.
const KEYS: usize = 128;
/// For how long a key is believed at most without asking again (specification, `valid_until_ts`).
const LONGEST_MS: i64 = 7 * DAY_MS;

/// Why a list is not believed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BadList {
    /// It is no JSON object of the right shape.
    #[error("it is no list of keys: {0}")]
    Shape(&'static str),
    /// It is another server's.
    #[error("it is another server's list")]
    OtherServer,
    /// It is not signed by one of its own keys.
    #[error("it is not signed by one of its own keys")]
    Unsigned,
    /// A signature is wrong.
    #[error("its signature by {0} is wrong")]
    Signature(String),
}

/// A list that is signed by its own keys.
#[derive(Clone, Debug)]
pub struct KeyList {
    /// All of it, for further signatures.
    pub object: CanonicalJsonObject,
    /// Its keys of kinds that we know.
    pub keys: Vec<RemoteKey>,
    /// Until when it is good: not more than seven days from now, whatever it says.
    pub valid_until_ts: i64,
}

/// Base64 with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl KeyList {
    /// Reads the list of a server.
    pub fn read(text: &str, server_name: &ServerName, now_ms: i64) -> Result<Self, BadList> {
        if text.len() > BYTES {
            return Err(BadList::Shape("it is too large"));
        }
        let object: CanonicalJsonObject =
            serde_json::from_str(text).map_err(|_| BadList::Shape("it is no canonical JSON object"))?;
        if text_of(&object, "server_name") != Some(server_name.as_str()) {
            return Err(BadList::OtherServer);
        }
        let said = integer(&object, "valid_until_ts").ok_or(BadList::Shape("`valid_until_ts` is no integer"))?;
        let valid_until_ts = said.min(now_ms.saturating_add(LONGEST_MS));
        let map = |name| match object.get(name) {
            None => Ok(None),
            Some(CanonicalJsonValue::Object(map)) => Ok(Some(map)),
            Some(_) => Err(BadList::Shape("`verify_keys` or `old_verify_keys` is no object")),
        };
        let current = map("verify_keys")?.ok_or(BadList::Shape("`verify_keys` is missing"))?;
        let old = map("old_verify_keys")?;
        if current.len() + old.map_or(0, std::collections::BTreeMap::len) > KEYS {
            return Err(BadList::Shape("it has too many keys"));
        }
        let mut keys = Vec::new();
        for (key_id, value) in current {
            if let Some(public_key) = public_key(key_id, value)? {
                let key_id = key_id.clone();
                keys.push(RemoteKey { key_id, public_key, valid_until_ts, expired_ts: None, fetched_ts: now_ms });
            }
        }
        check_signatures(&object, server_name, &keys)?;
        for (key_id, value) in old.into_iter().flatten() {
            let Some(public_key) = public_key(key_id, value)? else { continue };
            let expired_ts = value.as_object().and_then(|key| integer(key, "expired_ts"));
            let expired_ts = Some(expired_ts.ok_or(BadList::Shape("an old key has no `expired_ts`"))?);
            // A key that is both is one in use.
            if !keys.iter().any(|key| key.key_id == *key_id) {
                let key_id = key_id.clone();
                keys.push(RemoteKey { key_id, public_key, valid_until_ts, expired_ts, fetched_ts: now_ms });
            }
        }
        Ok(Self { object, keys, valid_until_ts })
    }

    /// The ids of the keys in use.
    pub fn in_use(&self) -> Vec<&str> {
        self.keys.iter().filter(|key| key.expired_ts.is_none()).map(|key| key.key_id.as_str()).collect()
    }

    /// Whether one of `keys` of another server signed it, too.
    pub(super) fn is_signed_by(&self, server_name: &ServerName, keys: &[RemoteKey]) -> bool {
        check_signatures(&self.object, server_name, keys).is_ok()
    }
}

/// One of the keys signed, and none of them wrongly.
fn check_signatures(object: &CanonicalJsonObject, server_name: &ServerName, keys: &[RemoteKey]) -> Result<(), BadList> {
    let signatures = object.get("signatures").and_then(CanonicalJsonValue::as_object);
    let signatures = signatures.and_then(|all| all.get(server_name.as_str())?.as_object()).ok_or(BadList::Unsigned)?;
    let signed =
        to_canonical_json_string_for_signing(object).map_err(|_| BadList::Shape("it cannot be written canonically"))?;
    let mut is_signed = false;
    for key in keys {
        let Some(signature) = signatures.get(&key.key_id) else { continue };
        let wrong = || BadList::Signature(key.key_id.clone());
        let signature = signature.as_str().and_then(|text| BASE64.decode(text).ok()).ok_or_else(wrong)?;
        verify_canonical_json_bytes(&SigningKeyAlgorithm::Ed25519, &key.public_key, &signature, signed.as_bytes())
            .map_err(|_| wrong())?;
        is_signed = true;
    }
    if is_signed { Ok(()) } else { Err(BadList::Unsigned) }
}

/// The bytes of a key, if it is of a kind that we know.
fn public_key(key_id: &str, value: &CanonicalJsonValue) -> Result<Option<Bytes>, BadList> {
    if key_id.strip_prefix("ed25519:").is_none_or(str::is_empty) {
        return Ok(None);
    }
    if key_id.len() > limits::ID_BYTES || key_id.contains('\0') {
        return Err(BadList::Shape("a key's id is none"));
    }
    let text = value.as_object().and_then(|key| text_of(key, "key"));
    let bytes = text.and_then(|text| BASE64.decode(text).ok()).filter(|bytes| bytes.len() == 32);
    Ok(Some(Bytes::from(bytes.ok_or(BadList::Shape("a key is not 32 bytes in base64"))?)))
}

fn text_of<'a>(object: &'a CanonicalJsonObject, key: &str) -> Option<&'a str> {
    object.get(key)?.as_str()
}

fn integer(object: &CanonicalJsonObject, key: &str) -> Option<i64> {
    match object.get(key)? {
        CanonicalJsonValue::Integer(number) => Some((*number).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use base64::prelude::BASE64_STANDARD_NO_PAD;
    use domicile_room::event::ServerSigner;
    use ruma::{owned_server_name, server_name, signatures::sign_json};
    use serde_json::{Value, json};

    use super::*;

    const NOW: i64 = 1_000_000_000_000;

    fn signer(version: &str, seed: u8) -> ServerSigner {
        ServerSigner::from_seed(owned_server_name!("a.example"), &[seed; 32], version).unwrap()
    }

    /// A list with the key `ed25519:1`, changed, and signed with a key of the same id.
    fn list(change: impl FnOnce(&mut Value), seed: u8) -> String {
        let mut list = json!({
            "server_name": "a.example", "valid_until_ts": NOW + 1_000,
            "verify_keys": { "ed25519:1": { "key": signer("1", 1).public_key() } },
            "old_verify_keys": { "ed25519:0": { "key": signer("0", 9).public_key(), "expired_ts": NOW - 5 } },
        });
        change(&mut list);
        let mut object: CanonicalJsonObject = serde_json::from_value(list).unwrap();
        sign_json("a.example", signer("1", seed).key_pair(), &mut object).unwrap();
        serde_json::to_string(&object).unwrap()
    }

    fn read(text: &str) -> Result<KeyList, BadList> {
        KeyList::read(text, server_name!("a.example"), NOW)
    }

    #[test]
    fn a_list_is_read_and_its_life_is_bounded() {
        let found = read(&list(|_| (), 1)).unwrap();
        let told: Vec<_> = found.keys.iter().map(|key| (key.key_id.as_str(), key.expired_ts)).collect();
        assert_eq!(told, [("ed25519:1", None), ("ed25519:0", Some(NOW - 5))]);
        assert_eq!(found.valid_until_ts, NOW + 1_000);
        let long = read(&list(|list| list["valid_until_ts"] = json!(NOW * 5), 1)).unwrap();
        assert_eq!(long.valid_until_ts, NOW + 7 * DAY_MS);
        let unknown = read(&list(|list| list["verify_keys"]["other:1"] = json!({ "key": "x" }), 1)).unwrap();
        assert_eq!(unknown.keys.len(), 2, "a kind of key that we do not know is passed over");
    }

    #[test]
    fn what_is_not_signed_by_its_own_keys_is_not_believed() {
        assert!(matches!(read(&list(|_| (), 2)), Err(BadList::Signature(_))));
        let unsigned = list(|_| (), 1).replace("\"signatures\"", "\"other\"");
        assert!(matches!(read(&unsigned), Err(BadList::Unsigned)));
        let moved = list(|_| (), 1).replace(&(NOW + 1_000).to_string(), &(NOW + 2_000).to_string());
        assert!(matches!(read(&moved), Err(BadList::Signature(_))));
        let by_an_old_key = list(
            |list| {
                let key = list["verify_keys"]["ed25519:1"]["key"].take();
                list["verify_keys"] = json!({});
                list["old_verify_keys"] = json!({ "ed25519:1": { "key": key, "expired_ts": 1 } });
            },
            1,
        );
        assert!(matches!(read(&by_an_old_key), Err(BadList::Unsigned)));
        let other = KeyList::read(&list(|_| (), 1), server_name!("b.example"), NOW);
        assert!(matches!(other, Err(BadList::OtherServer)));
    }

    #[test]
    fn what_has_no_bounds_is_not_read() {
        let many = list(
            |list| {
                for number in 0..KEYS {
                    let key = BASE64_STANDARD_NO_PAD.encode([7; 32]);
                    list["old_verify_keys"][format!("ed25519:x{number}")] = json!({ "key": key, "expired_ts": 1 });
                }
            },
            1,
        );
        assert!(matches!(read(&many), Err(BadList::Shape(_))));
        for wrong in [
            list(|list| list["verify_keys"]["ed25519:2"] = json!({ "key": "AAAA" }), 1),
            list(|list| list["verify_keys"] = json!([]), 1),
            list(|list| list["valid_until_ts"] = json!("soon"), 1),
            list(|list| list["old_verify_keys"]["ed25519:0"]["expired_ts"] = json!(null), 1),
            list(|list| list["padding"] = json!("x".repeat(BYTES)), 1),
            list(|_| (), 1).replace(&(NOW + 1_000).to_string(), "1.5"),
            "[]".to_owned(),
            String::new(),
        ] {
            assert!(matches!(read(&wrong), Err(BadList::Shape(_))), "{wrong:.200}");
        }
    }
}
