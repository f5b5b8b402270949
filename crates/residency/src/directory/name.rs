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
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&*self.0) else { return NameHash([0; LENGTH]) };
        mac.update(sigil.to_string().as_bytes());
        mac.update(localpart.as_bytes());
        let (mut hash, whole) = ([0; LENGTH], mac.finalize().into_bytes());
        hash.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
        NameHash(hash)
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
