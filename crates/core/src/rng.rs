//! Randomness as a value that is passed in, so that tests can repeat themselves.

use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

/// A source of unpredictable bytes.
pub trait Rng: Send + Sync + 'static {
    /// Fills `bytes` with random bytes.
    fn fill(&self, bytes: &mut [u8]);
}

/// The letters of random names: 62 of them, so that a name can stand in a URL.
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A random name of `length` letters and digits, 5.95 bits each.
pub fn name(rng: &dyn Rng, length: usize) -> String {
    let mut text = String::with_capacity(length);
    let mut pool = [0_u8; 64];
    while text.len() < length {
        rng.fill(&mut pool);
        // 248 is the largest multiple of 62 in a byte: larger values are thrown away, so no letter is favoured.
        let letters = pool.iter().filter(|byte| **byte < 248).map(|byte| char::from(ALPHABET[usize::from(byte % 62)]));
        text.extend(letters.take(length - text.len()));
    }
    text
}

/// A random name of upper-case letters only, as device ids are written.
pub fn upper_name(rng: &dyn Rng, length: usize) -> String {
    let mut text = String::with_capacity(length);
    let mut pool = [0_u8; 32];
    while text.len() < length {
        rng.fill(&mut pool);
        let letters = pool.iter().filter(|byte| **byte < 234).map(|byte| char::from(b'A' + byte % 26));
        text.extend(letters.take(length - text.len()));
    }
    text
}

/// `N` random bytes.
pub fn bytes<const N: usize>(rng: &dyn Rng) -> [u8; N] {
    let mut bytes = [0_u8; N];
    rng.fill(&mut bytes);
    bytes
}

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsRng;

impl Rng for OsRng {
    #[expect(
        clippy::expect_used,
        reason = "without randomness from the system no key or token is safe; it must not go on"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system gives random bytes");
    }
}

/// A repeatable generator for tests: SHA-256 of a seed and a counter.
#[derive(Debug, Default)]
pub struct SeededRng {
    seed: u64,
    counter: AtomicU64,
}

impl SeededRng {
    /// A generator that always gives the same bytes for the same seed.
    pub fn new(seed: u64) -> Self {
        Self { seed, counter: AtomicU64::new(0) }
    }
}

impl Rng for SeededRng {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let counter = self.counter.fetch_add(1, Ordering::SeqCst);
            let block =
                Sha256::new().chain_update(self.seed.to_le_bytes()).chain_update(counter.to_le_bytes()).finalize();
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_their_length_and_alphabet() {
        let rng = SeededRng::new(1);
        let made = name(&rng, 43);
        assert_eq!(made.len(), 43);
        assert!(made.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert!(upper_name(&rng, 10).bytes().all(|byte| byte.is_ascii_uppercase()));
        assert_ne!(name(&rng, 43), made);
    }
}
