//! The `Authorization` header of a request between cells.

use std::fmt;

use domicile_core::locality::CellName;
use sha2::{Digest, Sha256};

use crate::deployment::{PublicKey, SecretKey};

const WHAT: &str = "inner request 1";
const SCHEME: &str = "X-Matrix ";
/// Bytes of a header at most.
const BYTES: usize = 512;

/// Which of its asker's requests one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId {
    /// When the asking process began, in milliseconds since the epoch.
    pub began_ms: u64,
    /// A random number of that process.
    pub process: u64,
    /// The number of the request within it, from 0.
    pub number: u64,
}

/// What the header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Who asks.
    pub origin: CellName,
    /// Who is asked.
    pub destination: CellName,
    /// The id of the asker's key.
    pub key_id: String,
    /// The number of the document by which it asks.
    pub serial: u32,
    /// Which request it is.
    pub request: RequestId,
    /// The signature, in unpadded Base64.
    signature: String,
}

/// What is asked: method, path with query, and body.
#[derive(Clone, Copy, Debug)]
pub struct Said<'s> {
    /// The method.
    pub method: &'s str,
    /// The path and the query.
    pub path: &'s str,
    /// The body.
    pub body: &'s [u8],
}

/// A header that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the Authorization header is not one of a cell")]
pub struct BadHeader;

impl Header {
    /// The header for a request.
    pub fn sign(
        (origin, key): (&CellName, &SecretKey),
        destination: &CellName,
        serial: u32,
        request: RequestId,
        said: Said<'_>,
    ) -> Self {
        let mut header = Self {
            origin: origin.clone(),
            destination: destination.clone(),
            key_id: key.public().cell_key_id(),
            serial,
            request,
            signature: String::new(),
        };
        header.signature = key.sign_text(WHAT, &header.bytes(said));
        header
    }

    /// Whether the key signed this request.
    pub fn is_signed(&self, key: &PublicKey, said: Said<'_>) -> bool {
        key.verify_text(WHAT, &self.bytes(said), &self.signature)
    }

    fn bytes(&self, said: Said<'_>) -> Vec<u8> {
        let Self { origin, destination, key_id, serial, request, .. } = self;
        let mut bytes = format!(
            "{}\n{}\n{key_id}\n{serial}\n{request}\n{}\n{}\n",
            origin.as_str(),
            destination.as_str(),
            said.method,
            said.path
        )
        .into_bytes();
        bytes.extend_from_slice(&Sha256::digest(said.body));
        bytes
    }

    /// Reads a header as [`fmt::Display`] writes it; there is no other writer.
    pub fn read(text: &str) -> Result<Self, BadHeader> {
        if text.len() > BYTES {
            return Err(BadHeader);
        }
        let mut rest = text.strip_prefix(SCHEME).ok_or(BadHeader)?.split(',');
        let mut next = |name: &str| -> Result<&str, BadHeader> {
            let part = rest.next().ok_or(BadHeader)?;
            let value = part.strip_prefix(name).and_then(|part| part.strip_prefix("=\"")).ok_or(BadHeader)?;
            value.strip_suffix('"').filter(|value| !value.contains('"')).ok_or(BadHeader)
        };
        let origin = CellName::parse(next("origin")?).ok_or(BadHeader)?;
        let destination = CellName::parse(next("destination")?).ok_or(BadHeader)?;
        let key_id = next("key")?.to_owned();
        let serial = next("serial")?.parse().map_err(|_| BadHeader)?;
        let request = RequestId::read(next("request")?).ok_or(BadHeader)?;
        let signature = next("sig")?.to_owned();
        if rest.next().is_some() {
            return Err(BadHeader);
        }
        Ok(Self { origin, destination, key_id, serial, request, signature })
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, destination, key_id, serial, request, signature } = self;
        write!(
            f,
            "{SCHEME}origin=\"{}\",destination=\"{}\",key=\"{key_id}\",serial=\"{serial}\",request=\"{request}\",sig=\"{signature}\"",
            origin.as_str(),
            destination.as_str()
        )
    }
}

impl RequestId {
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(|part| u64::from_str_radix(part, 16).ok());
        let id = Self { began_ms: parts.next()??, process: parts.next()??, number: parts.next()?? };
        parts.next().is_none().then_some(id)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{:x}.{:x}", self.began_ms, self.process, self.number)
    }
}
