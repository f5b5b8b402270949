//! Ed25519 keys of the root, of cells and of audits, and how they are written.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use curve25519_dalek::MontgomeryPoint;
use domicile_core::rng::{self, Rng};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// What stands before a public key.
const PUBLIC: &str = "ed25519:";
/// What stands before a secret key, so that nobody takes one for the other.
const SECRET: &str = "ed25519-secret:";
/// What stands before the fingerprint in the id of a cell's key. A server's own keys have ids without an underscore.
const KEY_ID: &str = "ed25519:cell_";

/// What stands before the 32 bytes of a public key in the form that certificates have it (RFC 8410, section 4).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// What stands before the 32 bytes of a secret key in PKCS #8 (RFC 8410, section 7).
const PKCS8: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// Text that is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It does not begin as it must.
    #[error("a public key is written `ed25519:` and 43 characters of Base64")]
    Public,
    /// It does not begin as it must.
    #[error("a secret key is written `ed25519-secret:` and 43 characters of Base64")]
    Secret,
    /// A secret key where a public one is expected.
    #[error("this is a secret key: it belongs into a file of its own and nowhere else")]
    SecretShown,
    /// The bytes are no point of the curve, or one with which anything can be signed.
    #[error("the bytes are no public key of Ed25519")]
    NoPoint,
}

/// A public key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

/// A secret key. It is overwritten when it is dropped, and never shown.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl PublicKey {
    /// The key of 32 bytes.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::NoPoint)?;
        // Signatures by a key of small order say nothing about what was signed.
        if key.is_weak() { Err(KeyError::NoPoint) } else { Ok(Self(*bytes)) }
    }

    /// Reads `ed25519:` and unpadded Base64.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        if text.starts_with(SECRET) {
            return Err(KeyError::SecretShown);
        }
        let encoded = text.strip_prefix(PUBLIC).ok_or(KeyError::Public)?;
        let bytes = BASE64_STANDARD_NO_PAD.decode(encoded).map_err(|_| KeyError::Public)?;
        Self::from_bytes(&bytes.try_into().map_err(|_| KeyError::Public)?)
    }

    /// Its 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key as TLS has it: a `SubjectPublicKeyInfo` in DER.
    pub fn to_spki(&self) -> Vec<u8> {
        [&SPKI[..], &self.0[..]].concat()
    }

    /// The key of a `SubjectPublicKeyInfo`.
    pub fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        let bytes = der.strip_prefix(&SPKI).and_then(|bytes| <&[u8; 32]>::try_from(bytes).ok());
        Self::from_bytes(bytes.ok_or(KeyError::NoPoint)?)
    }

    /// Whether this is its signature, 64 bytes, of a message. `what` says what kind of thing is signed, so that a signature of one kind is
    /// none of another.
    pub fn verify(&self, what: &str, message: &[u8], signature: &[u8]) -> bool {
        let (Ok(key), Ok(signature)) = (VerifyingKey::from_bytes(&self.0), Signature::from_slice(signature)) else {
            return false;
        };
        key.verify_strict(&framed(what, message), &signature).is_ok()
    }

    /// The same for a signature in unpadded Base64.
    pub fn verify_text(&self, what: &str, message: &[u8], signature: &str) -> bool {
        BASE64_STANDARD_NO_PAD.decode(signature).is_ok_and(|signature| self.verify(what, message, &signature))
    }

    /// The same key for agreeing on a secret (X25519) instead of signing; none if it has no such form.
    pub(crate) fn to_montgomery(self) -> Option<MontgomeryPoint> {
        VerifyingKey::from_bytes(&self.0).ok().map(|key| key.to_montgomery())
    }

    /// The id under which a cell's signatures with this key stand in events and requests: `ed25519:cell_` and 16 hexadecimal digits. It says
    /// nothing about the cell to whom does not have the document.
    pub fn cell_key_id(&self) -> String {
        let digest = Sha256::digest(self.0);
        digest[..8].iter().fold(KEY_ID.to_owned(), |id, byte| format!("{id}{byte:02x}"))
    }
}

/// Whether a key's id is one that [`PublicKey::cell_key_id`] gives.
pub fn is_cell_key_id(key_id: &str) -> bool {
    key_id.starts_with(KEY_ID)
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PUBLIC}{}", BASE64_STANDARD_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl SecretKey {
    /// A new key.
    pub fn new(rng: &dyn Rng) -> Self {
        let seed: Zeroizing<[u8; 32]> = Zeroizing::new(rng::bytes(rng));
        Self(SigningKey::from_bytes(&seed))
    }

    /// Reads `ed25519-secret:` and unpadded Base64. Lines that begin with `#`, and white space around the key, are skipped.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let (Some(line), None) = (lines.next(), lines.next()) else { return Err(KeyError::Secret) };
        let encoded = line.strip_prefix(SECRET).ok_or(KeyError::Secret)?;
        let bytes = Zeroizing::new(BASE64_STANDARD_NO_PAD.decode(encoded).map_err(|_| KeyError::Secret)?);
        let seed: Zeroizing<[u8; 32]> = Zeroizing::new(bytes.as_slice().try_into().map_err(|_| KeyError::Secret)?);
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// The text that [`Self::parse`] reads, for a file that only its owner may open.
    pub fn to_secret_text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{SECRET}{}", BASE64_STANDARD_NO_PAD.encode(self.0.as_bytes())))
    }

    /// The 32 bytes from which everything else follows.
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The key as TLS has it: PKCS #8 in DER.
    pub fn to_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new([&PKCS8[..], &self.0.as_bytes()[..]].concat())
    }

    /// What it and the public half of another key agree on (X25519).
    pub(crate) fn agree(&self, with: &MontgomeryPoint) -> Zeroizing<[u8; 32]> {
        let scalar = Zeroizing::new(self.0.to_scalar_bytes());
        Zeroizing::new(with.mul_clamped(*scalar).to_bytes())
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// The signature of a message of the kind `what`, 64 bytes.
    pub fn sign(&self, what: &str, message: &[u8]) -> [u8; 64] {
        self.0.sign(&framed(what, message)).to_bytes()
    }

    /// The same in unpadded Base64.
    pub fn sign_text(&self, what: &str, message: &[u8]) -> String {
        BASE64_STANDARD_NO_PAD.encode(self.sign(what, message))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({})", self.public())
    }
}

/// What is signed. Events and Matrix's own JSON begin with `{`, so no signature of theirs is one of ours.
fn framed(what: &str, message: &[u8]) -> Vec<u8> {
    let mut framed = format!("domicile {what}\n").into_bytes();
    framed.extend_from_slice(message);
    framed
}

#[cfg(test)]
mod tests {
    use domicile_core::rng::SeededRng;

    use super::*;

    #[test]
    fn keys_are_read_as_they_are_written() {
        let secret = SecretKey::new(&SeededRng::new(1));
        let text = format!("# The root key.\n\n  {}\n", *secret.to_secret_text());
        assert_eq!(SecretKey::parse(&text).unwrap().public(), secret.public());
        assert_eq!(PublicKey::parse(&secret.public().to_string()).unwrap(), secret.public());
        assert_eq!(PublicKey::parse(&secret.to_secret_text()), Err(KeyError::SecretShown));
        assert!(!format!("{secret:?}").contains("secret:"));
        for nonsense in
            ["", "ed25519:", "ed25519:AAAA", "rsa:AAAA", "ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]
        {
            assert!(PublicKey::parse(nonsense).is_err(), "{nonsense}");
            assert!(SecretKey::parse(nonsense).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn a_signature_is_of_one_kind_of_thing() {
        let secret = SecretKey::new(&SeededRng::new(2));
        let signature = secret.sign("ticket 1", b"text");
        assert!(secret.public().verify("ticket 1", b"text", &signature));
        assert!(!secret.public().verify("request 1", b"text", &signature));
        assert!(!secret.public().verify("ticket 1", b"texts", &signature));
        assert!(!SecretKey::new(&SeededRng::new(3)).public().verify("ticket 1", b"text", &signature));
    }
}
