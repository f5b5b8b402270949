//! Names as the directory's log has them.

use std::fmt;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Bytes of a hash: half of what HMAC-SHA-256 gives, which RFC 2104 holds to be enough; whoever wants two names with one hash needs the key first.
const LENGTH: usize = 16;

/// The key of the hashes, which directory cells alone have.
#[derive(Clone)]
pub struct HashKey(Zeroizing<[u8; 32]>);

/// All keys of the hashes: the first, and one more for each time that the key was changed. Each hashes what the one before gave, so that a change needs
/// no names, and who has lost the newest one has lost nothing.
#[derive(Clone)]
pub struct HashKeys(Vec<HashKey>);

/// A keyed hash of a localpart or an alias.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameHash([u8; LENGTH]);

impl HashKey {
    /// The key of 32 random bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A user's localpart, or a room alias's.
    pub fn hash(&self, sigil: char, localpart: &str) -> NameHash {
        self.mac(&[sigil.to_string().as_bytes(), localpart.as_bytes()])
    }

    /// A name of which there is a hash under the key before this one. No sigil begins like this.
    pub fn again(&self, name: NameHash) -> NameHash {
        self.mac(&[b"\0again", name.as_bytes()])
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn mac(&self, parts: &[&[u8]]) -> NameHash {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&*self.0) else { return NameHash([0; LENGTH]) };
        for part in parts {
            mac.update(part);
        }
        let (mut hash, whole) = ([0; LENGTH], mac.finalize().into_bytes());
        hash.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
        NameHash(hash)
    }
}

impl HashKeys {
    /// These keys, the first one first; none if there is no first.
    pub fn new(keys: Vec<HashKey>) -> Option<Self> {
        (!keys.is_empty()).then_some(Self(keys))
    }

    /// A user's localpart, or a room alias's.
    pub fn hash(&self, sigil: char, localpart: &str) -> NameHash {
        let Some((first, more)) = self.0.split_first() else { return NameHash([0; LENGTH]) };
        more.iter().fold(first.hash(sigil, localpart), |name, key| key.again(name))
    }

    /// The keys, the first one first.
    pub fn all(&self) -> &[HashKey] {
        &self.0
    }

    /// The keys that are missing to be `others`; none if these are no beginning of them.
    pub fn missing_to<'o>(&self, others: &'o Self) -> Option<&'o [HashKey]> {
        others.0.strip_prefix(self.0.as_slice())
    }

    /// With more keys.
    #[must_use]
    pub fn with(&self, more: &[HashKey]) -> Self {
        Self([self.0.as_slice(), more].concat())
    }
}

impl PartialEq for HashKey {
    fn eq(&self, other: &Self) -> bool {
        *self.0 == *other.0
    }
}

impl NameHash {
    /// The hash of 16 bytes.
    pub fn new(bytes: [u8; LENGTH]) -> Self {
        Self(bytes)
    }

    /// The hash that an entry of the log names.
    pub fn parse(text: &str) -> Option<Self> {
        Some(Self(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?))
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; LENGTH] {
        &self.0
    }
}

impl fmt::Display for NameHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(self.0))
    }
}
