//! Files of other servers that were fetched not long ago: in a folder of their own, sealed with the cell's key. The oldest go first.

use std::sync::Arc;

use domicile_core::clock::Clock;
use domicile_store::{
    Batch, BlobId, Blobs as Files, Keystore, Store,
    blob::BlobError,
    table::remote_media::{self, RemoteMedia as Row},
};
use futures::{StreamExt, TryStreamExt};
use tokio::sync::Mutex;

use super::{
    super::{Download, SEALED},
    Key,
    fetch::File,
};
use crate::{Error, Result};

/// Files that are removed at once.
const AT_ONCE: i64 = 100;

/// The cache.
pub struct RemoteCache {
    store: Store,
    files: Files,
    keystore: Arc<Keystore>,
    clock: Arc<dyn Clock>,
    bytes: u64,
    kept_ms: i64,
    /// One at a time puts in or takes out: else a file could go that another row has just named.
    changing: Mutex<()>,
}

fn failed(error: BlobError) -> Error {
    match error {
        BlobError::Store(error) => error.into(),
        other => Error::internal(other),
    }
}

impl RemoteCache {
    /// At most `bytes` in `files`, none of them for longer than `kept_ms` milliseconds.
    pub fn new(
        store: Store,
        files: Files,
        keystore: Arc<Keystore>,
        clock: Arc<dyn Clock>,
        bytes: u64,
        kept_ms: i64,
    ) -> Self {
        Self { store, files, keystore, clock, bytes, kept_ms, changing: Mutex::default() }
    }

    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// A file that is kept.
    pub(super) async fn open(&self, key: &Key) -> Result<Option<Download>> {
        let asked = key.clone();
        let row = self.store.read(move |snapshot| async move {
            remote_media::get(&snapshot, asked.server_name.as_str(), &asked.media_id, &asked.variant).await
        });
        let Some(row) = row.await? else { return Ok(None) };
        if row.fetched_ts + self.kept_ms <= self.clock.now_ms() {
            return Ok(None);
        }
        let id = BlobId::from_bytes(&row.content_hash)?;
        let reader = match self.files.reader(self.keystore.cell_key(), id).await {
            Ok(reader) => reader,
            // Somebody emptied the folder: it is fetched anew.
            Err(BlobError::NotFound) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let filename = match &row.sealed {
            Some(sealed) => String::from_utf8(self.keystore.cell_key().open(SEALED, sealed)?).ok(),
            None => None,
        };
        Ok(Some(Download {
            content_type: row.content_type,
            filename,
            byte_size: u64::try_from(row.byte_size).map_err(Error::internal)?,
            content: reader.into_stream().map_err(std::io::Error::other).boxed(),
        }))
    }

    /// Keeps a file, unless it is larger than the whole cache.
    pub(super) async fn put(&self, key: &Key, file: &File) -> Result<()> {
        let size = file.content.len() as u64;
        if size > self.bytes {
            return Ok(());
        }
        let _one = self.changing.lock().await;
        let mut writer = self.files.writer(self.keystore.cell_key(), size.max(1)).await.map_err(failed)?;
        writer.write(&file.content).await.map_err(failed)?;
        let (id, _) = writer.finish().await.map_err(failed)?;
        let sealed = match &file.filename {
            Some(filename) => Some(self.keystore.cell_key().seal(SEALED, filename.as_bytes())?),
            None => None,
        };
        let row = Row {
            server_name: key.server_name.to_string(),
            media_id: key.media_id.clone(),
            variant: key.variant.clone(),
            content_hash: bytes::Bytes::copy_from_slice(id.as_bytes()),
            byte_size: i64::try_from(size).map_err(Error::internal)?,
            content_type: file.content_type.clone(),
            sealed,
            fetched_ts: self.clock.now_ms(),
        };
        let mut batch = Batch::new();
        batch.low_priority();
        remote_media::put(&mut batch, &row);
        self.store.write(batch).await?;
        self.shrink().await.map(drop)
    }

    /// Removes what has been kept long enough. Gives how many files it was.
    pub(super) async fn forget(&self) -> Result<usize> {
        let _one = self.changing.lock().await;
        self.shrink().await
    }

    /// Removes what is too old, and the oldest of what is too much.
    async fn shrink(&self) -> Result<usize> {
        let mut removed = 0;
        loop {
            let read = self.store.read(|snapshot| async move {
                Ok::<_, Error>((remote_media::size(&snapshot).await?, remote_media::oldest(&snapshot, AT_ONCE).await?))
            });
            let (size, oldest) = read.await?;
            let mut over = size.saturating_sub(i64::try_from(self.bytes).unwrap_or(i64::MAX));
            let end = self.clock.now_ms() - self.kept_ms;
            let mut goes = Vec::new();
            for row in oldest {
                if row.fetched_ts > end && over <= 0 {
                    break;
                }
                over -= row.byte_size;
                goes.push(row);
            }
            if goes.is_empty() {
                return Ok(removed);
            }
            let mut batch = Batch::new();
            batch.low_priority();
            for row in &goes {
                remote_media::remove(&mut batch, row);
            }
            self.store.write(batch).await?;
            removed += goes.len();
            for row in goes {
                let hash = row.content_hash.clone();
                let used = self.store.read(move |snapshot| async move { remote_media::is_used(&snapshot, hash).await });
                if !used.await? {
                    self.files.remove(BlobId::from_bytes(&row.content_hash)?).await.map_err(failed)?;
                }
            }
        }
    }
}
