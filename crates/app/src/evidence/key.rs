//! The key that signs evidence: made at first use, in a file of its own, and no other key's business.

use std::{io::Write, path::Path};

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use domicile_core::rng::{self, Rng};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::{Error, Result};

/// Bytes of a seed.
const SEED: usize = 32;
/// What stands above the seed in the file.
const ABOUT: &str =
    "# The key with which this cell signs audits and receipts (Ed25519 seed). Whoever has it can forge them.";

/// The key.
pub struct AuditKey(Ed25519KeyPair);

impl AuditKey {
    /// Reads the key, and makes it where there is none, readable by nobody else.
    pub fn open(path: &Path, rng: &dyn Rng) -> Result<Self> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text).ok_or_else(|| {
                Error::internal(format!(
                    "{} holds no audit key: restore the file from a backup, or move it away to begin with a new key",
                    path.display()
                ))
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::make(path, rng),
            Err(error) => Err(Error::internal(format!("cannot read the audit key {}: {error}", path.display()))),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))?;
        let seed = BASE64_STANDARD_NO_PAD.decode(line).ok().filter(|seed| seed.len() == SEED)?;
        Ed25519KeyPair::from_seed_unchecked(&seed).ok().map(Self)
    }

    fn make(path: &Path, rng: &dyn Rng) -> Result<Self> {
        let seed: [u8; SEED] = rng::bytes(rng);
        let failed =
            |error: std::io::Error| Error::internal(format!("cannot write the audit key {}: {error}", path.display()));
        let mut options = std::fs::File::options();
        options.write(true).create_new(true);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(failed)?;
        writeln!(file, "{ABOUT}\n{}", BASE64_STANDARD_NO_PAD.encode(seed)).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        Ed25519KeyPair::from_seed_unchecked(&seed).map(Self).map_err(Error::internal)
    }

    /// Its public half, in unpadded Base64.
    pub fn public(&self) -> String {
        BASE64_STANDARD_NO_PAD.encode(self.0.public_key().as_ref())
    }

    /// A signature, in unpadded Base64.
    pub fn sign(&self, bytes: &[u8]) -> String {
        BASE64_STANDARD_NO_PAD.encode(self.0.sign(bytes).as_ref())
    }
}

/// Whether a signature over `bytes` is that of a key; both in unpadded Base64.
pub(super) fn is_signed(public: &str, signature: &str, bytes: &[u8]) -> bool {
    let decoded = (BASE64_STANDARD_NO_PAD.decode(public), BASE64_STANDARD_NO_PAD.decode(signature));
    let (Ok(public), Ok(signature)) = decoded else { return false };
    UnparsedPublicKey::new(&ED25519, public).verify(bytes, &signature).is_ok()
}
