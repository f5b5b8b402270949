//! The server's signature.

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use ruma::{
    OwnedServerName, ServerName,
    signatures::{Ed25519KeyPair, KeyPair},
};

/// A signing key that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the signing key cannot be used: {0}")]
pub struct SignerError(String);

/// The key with which this server signs its events.
pub struct ServerSigner {
    server_name: OwnedServerName,
    key_id: String,
    key_pair: Ed25519KeyPair,
}

/// What stands before the 32 bytes of a seed in a PKCS#8 document of an Ed25519 key (RFC 8410, section 7).
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

impl ServerSigner {
    /// The key of a 32-byte seed. `version` is the part of its id after `ed25519:`.
    pub fn from_seed(server_name: OwnedServerName, seed: &[u8; 32], version: &str) -> Result<Self, SignerError> {
        let mut document = PKCS8_PREFIX.to_vec();
        document.extend_from_slice(seed);
        let key_pair =
            Ed25519KeyPair::from_der(&document, version.to_owned()).map_err(|error| SignerError(error.to_string()))?;
        Ok(Self { server_name, key_id: format!("ed25519:{version}"), key_pair })
    }

    /// The name under which the signature stands.
    pub fn server_name(&self) -> &ServerName {
        &self.server_name
    }

    /// The key's id.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The public key in unpadded base64.
    pub fn public_key(&self) -> String {
        BASE64_STANDARD_NO_PAD.encode(self.key_pair.public_key())
    }

    /// The key pair, for what ruma signs.
    pub fn key_pair(&self) -> &Ed25519KeyPair {
        &self.key_pair
    }

    /// The signature of bytes, in unpadded base64.
    pub fn sign(&self, message: &[u8]) -> String {
        self.key_pair.sign(message).base64()
    }
}
