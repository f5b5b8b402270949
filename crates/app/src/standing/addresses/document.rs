//! The document with alternative addresses: what it says, how it is signed, and whether it is to be believed. Pure.
//!
//! It is signed as everything is in Matrix (appendices, *Signing JSON*), so a client needs nothing that it does not have. Whoever knows the key
//! beforehand can believe the document wherever it was found: on another host, in a mail, on paper.

use std::collections::BTreeMap;

use domicile_core::{clock::DAY_MS, error::ErrorKind};
use domicile_residency::deployment::{PublicKey, SecretKey};
use domicile_room::event::ServerSigner;
use ruma::{
    CanonicalJsonObject, CanonicalJsonValue, ServerName,
    serde::Base64,
    signatures::{Ed25519KeyPair, sign_json, verify_json},
};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{Error, Result};

/// What kind of document it is.
const KIND: &str = "org.domicile.addresses";
/// What stands for the version in the id of the root key.
const ROOT: &str = "root";
/// Bytes of a document at most.
pub const BYTES: usize = 64 * 1024;
/// Addresses of a document, and letters of one.
const MOST: usize = 50;
const LETTERS: usize = 500;
/// How long one is good at most.
const LONGEST_MS: i64 = 400 * DAY_MS;

/// Keys that are believed, in unpadded base64, by their ids such as `ed25519:a_abcd`.
pub type Keys = BTreeMap<String, String>;

/// The root key of a deployment as one of these, with the id under which it signs.
pub fn root_key(key: &PublicKey) -> (String, String) {
    let shown = key.to_string();
    (format!("ed25519:{ROOT}"), shown.split_once(':').map_or(shown.as_str(), |(_, key)| key).to_owned())
}

/// What signs with the root key of a deployment.
pub fn root_signer(server_name: &ServerName, key: &SecretKey) -> Result<ServerSigner> {
    ServerSigner::from_seed(server_name.to_owned(), &key.seed(), ROOT).map_err(Error::internal)
}

/// What a document says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// What kind of document it is.
    #[serde(rename = "type")]
    kind: String,
    /// The deployment's name.
    pub server_name: String,
    /// The addresses, the best first.
    pub addresses: Vec<String>,
    /// When it was made, in milliseconds since the epoch: of two documents the later one counts.
    pub issued_ts: i64,
    /// Until when it is good.
    pub expires_ts: i64,
}

/// A document that is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// What it says.
    pub said: Said,
    /// The id of the key that signed it.
    pub key_id: String,
    /// It, as it is served.
    pub text: String,
}

/// A document that is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// It cannot be read.
    #[error("it is no document of addresses: {0}")]
    Unreadable(String),
    /// Of somebody else.
    #[error("it is of {found}, and not of {expected}")]
    OtherName {
        /// Whose it is.
        found: String,
        /// Whose it must be.
        expected: String,
    },
    /// Signed by nobody whose key is known.
    #[error(
        "none of the known keys ({0}) signed it, or it was changed since: sign it again with `domicile addresses write`"
    )]
    Unsigned(String),
    /// Too old.
    #[error("it was good until {} UTC: write a new one with `domicile addresses write`", domicile_core::calendar::minute(*.0))]
    Expired(i64),
}

impl Said {
    /// Checks what somebody wants to say.
    pub fn new(server_name: &ServerName, addresses: Vec<String>, issued_ts: i64, expires_ts: i64) -> Result<Self> {
        let refused = |what: String| Error::from(ErrorKind::InvalidParam.with(what));
        if addresses.is_empty() || addresses.len() > MOST {
            return Err(refused(format!("Name 1 to {MOST} addresses.")));
        }
        if let Some(bad) = addresses.iter().find(|address| !is_address(address)) {
            let bad: String = bad.chars().take(LETTERS).collect();
            return Err(refused(format!("`{bad}` is no address: write one such as https://chat.example.net")));
        }
        if expires_ts <= issued_ts || expires_ts - issued_ts > LONGEST_MS {
            return Err(refused("Such a document is good for a day to 400 days.".to_owned()));
        }
        Ok(Self { kind: KIND.to_owned(), server_name: server_name.to_string(), addresses, issued_ts, expires_ts })
    }
}

/// An address over HTTPS, or an onion service, which proves by its name who answers.
fn is_address(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let is_onion = url.scheme() == "http"
        && url.host_str().is_some_and(|host| host.rsplit_once('.').is_some_and(|(_, top)| top == "onion"));
    text.len() <= LETTERS
        && (is_onion || url.scheme() == "https")
        && url.host_str().is_some()
        && url.username().is_empty()
}

/// The signed document.
pub fn sign(said: &Said, key: &Ed25519KeyPair) -> Result<String> {
    let value = serde_json::to_value(said).map_err(Error::internal)?;
    let mut object = object(value).map_err(Error::internal)?;
    sign_json(&said.server_name, key, &mut object).map_err(Error::internal)?;
    serde_json::to_string_pretty(&object).map(|text| text + "\n").map_err(Error::internal)
}

/// Reads a document, if one of these keys signed it and it is still good.
pub fn believed(
    text: &str,
    server_name: &ServerName,
    keys: &Keys,
    now_ms: i64,
) -> std::result::Result<Document, Doubt> {
    if text.len() > BYTES {
        return Err(Doubt::Unreadable(format!("it has more than {BYTES} bytes")));
    }
    let unreadable = |error: serde_json::Error| Doubt::Unreadable(error.to_string());
    let value: serde_json::Value = serde_json::from_str(text).map_err(unreadable)?;
    let said = Said::deserialize(&value).map_err(unreadable)?;
    if said.kind != KIND || said.addresses.len() > MOST || !said.addresses.iter().all(|address| is_address(address)) {
        return Err(Doubt::Unreadable("its type or its addresses are none".to_owned()));
    }
    if said.server_name != server_name.as_str() {
        return Err(Doubt::OtherName { found: said.server_name, expected: server_name.to_string() });
    }
    let object = object(value).map_err(|error| Doubt::Unreadable(error.to_string()))?;
    let Some(key_id) = keys.iter().find(|(id, key)| is_signed(&object, server_name, id, key)).map(|(id, _)| id.clone())
    else {
        return Err(Doubt::Unsigned(keys.keys().cloned().collect::<Vec<_>>().join(", ")));
    };
    if said.expires_ts <= now_ms {
        return Err(Doubt::Expired(said.expires_ts));
    }
    Ok(Document { said, key_id, text: text.to_owned() })
}

fn is_signed(object: &CanonicalJsonObject, server_name: &ServerName, key_id: &str, key: &str) -> bool {
    let Ok(key) = Base64::parse(key) else { return false };
    let keys = [(server_name.to_string(), [(key_id.to_owned(), key)].into())].into();
    verify_json(&keys, object).is_ok()
}

fn object(
    value: serde_json::Value,
) -> std::result::Result<CanonicalJsonObject, ruma::canonical_json::CanonicalJsonError> {
    match CanonicalJsonValue::try_from(value)? {
        CanonicalJsonValue::Object(object) => Ok(object),
        _ => Ok(CanonicalJsonObject::new()),
    }
}

#[cfg(test)]
mod tests {
    use ruma::server_name;

    use super::*;

    fn signer(seed: u8, version: &str) -> ServerSigner {
        ServerSigner::from_seed(server_name!("example.org").to_owned(), &[seed; 32], version).unwrap()
    }

    fn keys(of: &ServerSigner) -> Keys {
        [(of.key_id().to_owned(), of.public_key().clone())].into()
    }

    fn said() -> Said {
        let addresses = vec!["https://chat.example.net".to_owned(), "http://abc.onion/".to_owned()];
        Said::new(server_name!("example.org"), addresses, 1_000, 1_000 + DAY_MS).unwrap()
    }

    #[test]
    fn only_what_a_known_key_signed_is_believed() {
        let (ours, theirs) = (signer(1, "a_1"), signer(2, "a_1"));
        let text = sign(&said(), ours.key_pair()).unwrap();
        let name = server_name!("example.org");
        let found = believed(&text, name, &keys(&ours), 2_000).unwrap();
        assert_eq!((found.said, found.key_id.as_str()), (said(), "ed25519:a_1"));
        let doubt = |text: &str, keys: &Keys, now_ms| believed(text, name, keys, now_ms).unwrap_err();
        assert!(matches!(doubt(&text, &keys(&theirs), 2_000), Doubt::Unsigned(_)));
        assert!(matches!(doubt(&text, &Keys::new(), 2_000), Doubt::Unsigned(_)));
        let altered = text.replace("chat.example.net", "chat.example.com");
        assert!(matches!(doubt(&altered, &keys(&ours), 2_000), Doubt::Unsigned(_)));
        assert_eq!(doubt(&text, &keys(&ours), 1_000 + DAY_MS), Doubt::Expired(1_000 + DAY_MS));
        let other = believed(&text, server_name!("example.com"), &keys(&ours), 2_000).unwrap_err();
        assert!(matches!(other, Doubt::OtherName { .. }));
        for bad in ["", "{}", "[]", "null", &text.replace("https:", "ftp:"), &" ".repeat(BYTES + 1)] {
            assert!(matches!(doubt(bad, &keys(&ours), 2_000), Doubt::Unreadable(_)), "{bad:.40}");
        }
    }

    #[test]
    fn what_is_said_is_checked() {
        let name = server_name!("example.org");
        let new = |addresses: &[&str], expires_ts| {
            Said::new(name, addresses.iter().map(|&address| address.to_owned()).collect(), 1_000, expires_ts)
        };
        assert!(new(&["https://[2001:db8::1]:8443/"], 1_000 + DAY_MS).is_ok());
        for bad in ["http://chat.example.net", "https://a:b@example.net", "chat.example.net", "javascript:alert(1)", ""]
        {
            assert!(new(&[bad], 1_000 + DAY_MS).is_err(), "{bad}");
        }
        assert!(new(&[], 1_000 + DAY_MS).is_err());
        assert!(new(&["https://a.example"], 1_000).is_err());
        assert!(new(&["https://a.example"], 1_000 + LONGEST_MS + 1).is_err());
    }
}
