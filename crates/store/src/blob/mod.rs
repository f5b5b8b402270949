//! Media: files that are written once, named by their content, and sealed under their owner's key.
//!
//! A name is a hash of the content under the owner's key: the same content of one person is stored once, and nobody without the key can
//! tell whether a known file is there.

mod chunks;
mod fs;
mod reader;
mod writer;

use crate::StoreError;

pub use fs::{Blobs, Stored};
pub use reader::BlobReader;
pub use writer::BlobWriter;

/// The name of a blob: what `media.content_hash` holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlobId(pub [u8; 32]);

impl BlobId {
    /// The name that a column holds.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StoreError> {
        bytes
            .try_into()
            .map(Self)
            .map_err(|_| StoreError::Corrupt(format!("the name of a blob has {} bytes", bytes.len())))
    }

    /// What a column holds.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl std::fmt::Display for BlobId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for BlobId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BlobId({self})")
    }
}

/// An error of the blob store.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// More was written than the limit allows. Nothing of it is kept.
    #[error("the file is larger than {0} bytes")]
    TooLarge(u64),
    /// There is no such blob.
    #[error("there is no such file")]
    NotFound,
    /// The key does not fit, or the file was changed or cut short.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BlobError {
    fn io(what: &str, source: std::io::Error) -> Self {
        if source.kind() == std::io::ErrorKind::NotFound {
            return Self::NotFound;
        }
        Self::Store(StoreError::File { what: what.to_owned(), source })
    }
}

/// Runs file work off the async threads.
async fn blocking<T: Send + 'static>(
    task: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, BlobError> {
    tokio::task::spawn_blocking(task).await.map_err(|_| BlobError::Store(StoreError::Closed))?
}
