//! Sealing under a person's own key: what stands in the database and on disk cannot be read once the key is destroyed.
//!
//! XChaCha20-Poly1305 with a random nonce. The context (table, column, and what tells the row apart) is authenticated with it, so that a
//! sealed value cannot be moved to where it would mean something else.

use std::sync::Arc;

use bytes::Bytes;
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use domicile_core::rng::{self, Rng};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::StoreError;

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;
/// First byte of what is sealed: how it was done.
const VERSION: u8 = 1;
/// Bytes of a nonce.
const NONCE_BYTES: usize = 24;

/// Secret bytes that are wiped when they are no longer used.
pub(crate) type Secret = Zeroizing<[u8; KEY_BYTES]>;

/// A person's own key, or the cell's. Cheap to clone.
#[derive(Clone)]
pub struct UserKey {
    inner: Arc<Inner>,
}

struct Inner {
    sealing: Secret,
    blobs: Secret,
    index: Secret,
    rng: Arc<dyn Rng>,
}

impl std::fmt::Debug for UserKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UserKey(secret)")
    }
}

impl UserKey {
    /// The keys that follow from a secret, one for each use.
    pub(crate) fn new(secret: &Secret, rng: Arc<dyn Rng>) -> Self {
        let derived = |purpose: &str| Zeroizing::new(mac(secret, &[purpose.as_bytes()]));
        let inner = Inner { sealing: derived("seal"), blobs: derived("blobs"), index: derived("index"), rng };
        Self { inner: Arc::new(inner) }
    }

    /// Seals `plaintext`. Only the same key and the same `context` open it.
    pub fn seal(&self, context: &str, plaintext: &[u8]) -> Result<Bytes, StoreError> {
        let nonce: [u8; NONCE_BYTES] = rng::bytes(self.inner.rng.as_ref());
        let mut sealed = Vec::with_capacity(1 + NONCE_BYTES + plaintext.len() + 16);
        sealed.push(VERSION);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&encrypt(&self.inner.sealing, &nonce, context.as_bytes(), plaintext)?);
        Ok(Bytes::from(sealed))
    }

    /// Opens what [`UserKey::seal`] made with the same `context`.
    pub fn open(&self, context: &'static str, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.open_as(context, context, sealed)
    }

    /// Opens what was sealed with a context that is put together; `what` names it in errors.
    pub fn open_as(&self, what: &'static str, context: &str, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        let rest = sealed.strip_prefix(&[VERSION]).filter(|rest| rest.len() >= NONCE_BYTES);
        let (nonce, body) = rest.ok_or(StoreError::Sealed(what))?.split_at(NONCE_BYTES);
        decrypt(&self.inner.sealing, nonce, context.as_bytes(), body).ok_or(StoreError::Sealed(what))
    }

    /// A keyed hash by which a sealed value can be found: equal values of one context have equal hashes, and nobody without the key can try
    /// values out.
    pub fn blind_index(&self, context: &str, value: &[u8]) -> [u8; KEY_BYTES] {
        let length = u64::try_from(context.len()).unwrap_or(u64::MAX).to_be_bytes();
        mac(&self.inner.index, &[&length, context.as_bytes(), value])
    }

    /// The key for blobs.
    pub(crate) fn blobs(&self) -> &Secret {
        &self.inner.blobs
    }

    /// Where nonces come from.
    pub(crate) fn rng(&self) -> &dyn Rng {
        self.inner.rng.as_ref()
    }
}

/// HMAC-SHA256 over `parts`, one after the other.
pub(crate) fn mac(key: &[u8; KEY_BYTES], parts: &[&[u8]]) -> [u8; KEY_BYTES] {
    // A key of any length is taken; the method of that name is ambiguous between two traits.
    let Ok(mut mac) = <Hmac<Sha256> as Mac>::new_from_slice(key) else { return [0; KEY_BYTES] };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Encrypts with a nonce that must never be used again under this key.
pub(crate) fn encrypt(
    key: &[u8; KEY_BYTES],
    nonce: &[u8; NONCE_BYTES],
    aad: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, StoreError> {
    XChaCha20Poly1305::new(key.into())
        .encrypt(XNonce::from_slice(nonce), Payload { msg: plaintext, aad })
        .map_err(|_| StoreError::Corrupt("the plaintext is too long to be sealed".to_owned()))
}

/// Decrypts, unless key, nonce, `aad` or text are others.
pub(crate) fn decrypt(key: &[u8; KEY_BYTES], nonce: &[u8], aad: &[u8], body: &[u8]) -> Option<Vec<u8>> {
    let nonce: &[u8; NONCE_BYTES] = nonce.try_into().ok()?;
    XChaCha20Poly1305::new(key.into()).decrypt(XNonce::from_slice(nonce), Payload { msg: body, aad }).ok()
}

#[cfg(test)]
mod tests {
    use domicile_core::rng::SeededRng;

    use super::*;

    fn key(seed: u8) -> UserKey {
        UserKey::new(&Zeroizing::new([seed; KEY_BYTES]), Arc::new(SeededRng::new(seed.into())))
    }

    #[test]
    fn only_the_same_key_and_context_open() {
        let sealed = key(1).seal("devices.sealed", b"198.51.100.7").unwrap();
        assert!(!sealed.windows(5).any(|window| window == b"198.5"));
        assert_eq!(key(1).open("devices.sealed", &sealed).unwrap(), b"198.51.100.7");
        assert!(matches!(key(2).open("devices.sealed", &sealed), Err(StoreError::Sealed("devices.sealed"))));
        assert!(key(1).open("media.sealed", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.to_vec();
            changed[at] ^= 1;
            assert!(key(1).open("devices.sealed", &changed).is_err(), "byte {at}");
            assert!(key(1).open("devices.sealed", &sealed[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn sealing_twice_gives_different_bytes_and_the_index_the_same() {
        let key = key(3);
        assert_ne!(key.seal("a", b"x").unwrap(), key.seal("a", b"x").unwrap());
        assert_eq!(key.blind_index("a", b"x"), key.blind_index("a", b"x"));
        assert_ne!(key.blind_index("a", b"x"), key.blind_index("b", b"x"));
        assert_ne!(key.blind_index("ab", b"c"), key.blind_index("a", b"bc"));
    }
}
