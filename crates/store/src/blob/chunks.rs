//! How a blob is sealed: in chunks of 64 KiB that can be opened one by one, in an order that cannot be changed.
//!
//! The STREAM construction: each chunk's nonce is the file's random prefix, the chunk's number, and whether it is the last. So a chunk that
//! is moved, left out, or made the last by cutting the file does not open.

use domicile_core::rng::{self, Rng};

use crate::{
    StoreError,
    seal::{self, Secret},
};

/// Plaintext bytes of a chunk; the last may have less.
pub(super) const CHUNK: usize = 64 * 1024;
/// What sealing adds to each chunk.
const TAG: usize = 16;
/// Bytes of a whole chunk in the file.
pub(super) const SEALED_CHUNK: usize = CHUNK + TAG;
/// The format, at the beginning of every file.
const MAGIC: [u8; 4] = *b"DBL1";
const PREFIX: usize = 19;
/// Bytes before the first chunk.
pub(super) const HEADER: usize = MAGIC.len() + PREFIX;
const WHAT: &str = "a stored file";

/// The prefix of one file's nonces.
#[derive(Clone, Copy)]
pub(super) struct Header([u8; PREFIX]);

impl Header {
    pub(super) fn random(rng: &dyn Rng) -> Self {
        Self(rng::bytes(rng))
    }

    pub(super) fn parse(bytes: &[u8; HEADER]) -> Result<Self, StoreError> {
        let (magic, rest) = bytes.split_at(MAGIC.len());
        match <[u8; PREFIX]>::try_from(rest) {
            Ok(prefix) if *magic == MAGIC => Ok(Self(prefix)),
            _ => Err(StoreError::Sealed(WHAT)),
        }
    }

    pub(super) fn to_bytes(self) -> Vec<u8> {
        [&MAGIC[..], &self.0].concat()
    }

    fn nonce(self, number: u32, last: bool) -> [u8; 24] {
        let mut nonce = [0; 24];
        nonce[..PREFIX].copy_from_slice(&self.0);
        nonce[PREFIX..23].copy_from_slice(&number.to_be_bytes());
        nonce[23] = u8::from(last);
        nonce
    }

    pub(super) fn seal(self, key: &Secret, number: u32, last: bool, plaintext: &[u8]) -> Result<Vec<u8>, StoreError> {
        seal::encrypt(key, &self.nonce(number, last), &[], plaintext)
    }

    pub(super) fn open(self, key: &Secret, number: u32, last: bool, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        seal::decrypt(key, &self.nonce(number, last), &[], sealed).ok_or(StoreError::Sealed(WHAT))
    }
}

/// The number of chunks and of plaintext bytes of a file of `length` bytes.
pub(super) fn measure(length: u64) -> Result<(u32, u64), StoreError> {
    let (header, chunk, tag) = (HEADER as u64, SEALED_CHUNK as u64, TAG as u64);
    let body = length.checked_sub(header).ok_or(StoreError::Sealed(WHAT))?;
    let count = body.div_ceil(chunk);
    let last = body - count.saturating_sub(1) * chunk;
    if count == 0 || last < tag {
        return Err(StoreError::Sealed(WHAT));
    }
    Ok((u32::try_from(count).map_err(|_| StoreError::Sealed(WHAT))?, body - count * tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_length_tells_its_contents() {
        let (header, chunk) = (HEADER as u64, SEALED_CHUNK as u64);
        assert_eq!(measure(header + 16).unwrap(), (1, 0));
        assert_eq!(measure(header + chunk).unwrap(), (1, CHUNK as u64));
        assert_eq!(measure(header + chunk + 17).unwrap(), (2, CHUNK as u64 + 1));
        for length in [0, header, header + 15, header + chunk + 15] {
            assert!(measure(length).is_err(), "{length}");
        }
    }
}
