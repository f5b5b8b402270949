//! Blobs in the store's files, each sealed with the key of its owner.

use std::sync::Arc;

use bytes::Bytes;
use domicile_core::ids::UserNum;
use domicile_store::{
    BlobId, Blobs as Files, Keystore,
    blob::{BlobError, BlobWriter},
};
use futures::{StreamExt, TryStreamExt, future::BoxFuture};

use super::blobs::{Blobs, ByteStream, Incoming, Stored};
use crate::{Error, Result};

/// Files and the keys to them.
pub struct SealedBlobs {
    files: Files,
    keystore: Arc<Keystore>,
    limit: u64,
}

impl SealedBlobs {
    /// Files of at most `limit` bytes.
    pub fn new(files: Files, keystore: Arc<Keystore>, limit: u64) -> Self {
        Self { files, keystore, limit }
    }

    async fn begin_within(&self, owner: UserNum, limit: u64) -> Result<Box<dyn Incoming>> {
        let key = self.keystore.key_of(owner).await?;
        Ok(Box::new(Writing(self.files.writer(&key, limit).await.map_err(failed)?)))
    }
}

fn failed(error: BlobError) -> Error {
    match error {
        BlobError::Store(error) => error.into(),
        other => Error::internal(other),
    }
}

impl Blobs for SealedBlobs {
    fn begin(&self, owner: UserNum) -> BoxFuture<'_, Result<Box<dyn Incoming>>> {
        // A thumbnail may be larger than the largest upload, if that is small.
        Box::pin(self.begin_within(owner, self.limit.max(16 << 20)))
    }

    fn take_over(&self, owner: UserNum) -> BoxFuture<'_, Result<Box<dyn Incoming>>> {
        Box::pin(self.begin_within(owner, u64::MAX))
    }

    fn open(&self, owner: UserNum, hash: Bytes) -> BoxFuture<'_, Result<Option<ByteStream>>> {
        Box::pin(async move {
            let key = match self.keystore.key_of(owner).await {
                // Whose key was destroyed, their files are gone, though they may still be on the disk.
                Err(error) if error.is_without_key() => return Ok(None),
                key => key?,
            };
            match self.files.reader(&key, BlobId::from_bytes(&hash)?).await {
                Ok(reader) => Ok(Some(reader.into_stream().map_err(std::io::Error::other).boxed())),
                Err(BlobError::NotFound) => Ok(None),
                Err(error) => Err(failed(error)),
            }
        })
    }
}

struct Writing(BlobWriter);

impl Incoming for Writing {
    fn write(&mut self, piece: Bytes) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.0.write(&piece).await.map_err(failed) })
    }

    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<Stored>> {
        Box::pin(async move {
            let (id, byte_size) = self.0.finish().await.map_err(failed)?;
            Ok(Stored { hash: Bytes::copy_from_slice(id.as_bytes()), byte_size })
        })
    }
}
