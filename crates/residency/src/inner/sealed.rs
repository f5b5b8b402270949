//! What only one cell can open, wherever it lies meanwhile: in a gateway's spool, for instance.
//!
//! X25519 with a key that is used once, HMAC-SHA256, ChaCha20-Poly1305. The cell's signing key serves for agreeing as well: what is derived from
//! the secret begins with a word that nothing else begins with.

use chacha20poly1305::{ChaCha20Poly1305, Key, KeyInit, Nonce, aead::Aead};
use curve25519_dalek::MontgomeryPoint;
use domicile_core::rng::{self, Rng};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::deployment::{PublicKey, SecretKey};

const WHAT: &[u8] = b"domicile sealed 1\n";
/// Bytes of the key that stands before what is sealed.
const ONCE: usize = 32;

/// What is not for this cell, or was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what was sealed cannot be opened with this key")]
pub struct NotOpened;

/// Seals something for the holder of a key.
pub fn seal(key: &PublicKey, content: &[u8], rng: &dyn Rng) -> Result<Vec<u8>, NotOpened> {
    let theirs = key.to_montgomery().ok_or(NotOpened)?;
    let secret: Zeroizing<[u8; 32]> = Zeroizing::new(rng::bytes(rng));
    let once = MontgomeryPoint::mul_base_clamped(*secret).to_bytes();
    let agreed = Zeroizing::new(theirs.mul_clamped(*secret).to_bytes());
    // The key is used once, so its nonce need not change.
    let sealed = cipher(&agreed, &once, key)?.encrypt(&Nonce::default(), content).map_err(|_| NotOpened)?;
    Ok([&once[..], &sealed].concat())
}

/// Opens what was sealed for this key.
pub fn open(key: &SecretKey, sealed: &[u8]) -> Result<Vec<u8>, NotOpened> {
    let (once, sealed) = sealed.split_at_checked(ONCE).ok_or(NotOpened)?;
    let once: [u8; ONCE] = once.try_into().map_err(|_| NotOpened)?;
    let agreed = key.agree(&MontgomeryPoint(once));
    cipher(&agreed, &once, &key.public())?.decrypt(&Nonce::default(), sealed).map_err(|_| NotOpened)
}

fn cipher(agreed: &[u8; 32], once: &[u8; 32], of: &PublicKey) -> Result<ChaCha20Poly1305, NotOpened> {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(agreed).map_err(|_| NotOpened)?;
    for part in [WHAT, once, of.as_bytes()] {
        mac.update(part);
    }
    let key = Zeroizing::new(<[u8; 32]>::from(mac.finalize().into_bytes()));
    Ok(ChaCha20Poly1305::new(Key::from_slice(&*key)))
}

#[cfg(test)]
mod tests {
    use domicile_core::rng::SeededRng;

    use super::*;

    #[test]
    fn only_the_cell_opens_what_is_sealed_for_it() {
        let rng = SeededRng::new(5);
        let (ours, other) = (SecretKey::new(&rng), SecretKey::new(&rng));
        let sealed = seal(&ours.public(), b"what was said", &rng).unwrap();
        assert_eq!(open(&ours, &sealed).unwrap(), b"what was said");
        assert!(!sealed.windows(4).any(|part| part == b"what"));
        assert_eq!(open(&other, &sealed), Err(NotOpened));
        assert_ne!(
            seal(&ours.public(), b"what was said", &rng).unwrap(),
            sealed,
            "each is sealed with a key of its own"
        );
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            // The highest bit of the point plays no part in X25519, but in the key that is derived.
            assert_eq!(open(&ours, &changed), Err(NotOpened), "byte {index}");
            assert_eq!(open(&ours, &sealed[..index]), Err(NotOpened));
        }
    }
}
