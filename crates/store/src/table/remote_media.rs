//! `remote_media`: which files of other servers lie in the cache, and for how long already.

use bytes::Bytes;

use crate::{Batch, Snapshot, StoreError, params};

/// A row of `remote_media`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteMedia {
    /// The server whose file it is.
    pub server_name: String,
    /// The id there.
    pub media_id: String,
    /// Empty for the file itself; else which thumbnail of it.
    pub variant: String,
    /// The blob.
    pub content_hash: Bytes,
    /// Its size in bytes.
    pub byte_size: i64,
    /// What the server says it is.
    pub content_type: Option<String>,
    /// The file's name, sealed with the cell's key.
    pub sealed: Option<Bytes>,
    /// When it was fetched, in milliseconds since the epoch.
    pub fetched_ts: i64,
}

/// A file in the cache.
pub async fn get(
    snapshot: &Snapshot,
    server_name: &str,
    media_id: &str,
    variant: &str,
) -> Result<Option<RemoteMedia>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT content_hash, byte_size, content_type, sealed, fetched_ts FROM remote_media
             WHERE server_name = $1 AND media_id = $2 AND variant = $3",
            &params![server_name, media_id, variant],
        )
        .await?;
    row.map(|row| {
        Ok(RemoteMedia {
            server_name: server_name.to_owned(),
            media_id: media_id.to_owned(),
            variant: variant.to_owned(),
            content_hash: row.blob(0)?,
            byte_size: row.int(1)?,
            content_type: row.opt_text(2)?.map(str::to_owned),
            sealed: row.opt_blob(3)?,
            fetched_ts: row.int(4)?,
        })
    })
    .transpose()
}

/// Puts a file into the cache, in the place of one that was there.
pub fn put(batch: &mut Batch, media: &RemoteMedia) {
    batch.push(
        "INSERT INTO remote_media (server_name, media_id, variant, content_hash, byte_size, content_type, sealed, fetched_ts)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (server_name, media_id, variant) DO UPDATE SET
         content_hash = excluded.content_hash, byte_size = excluded.byte_size, content_type = excluded.content_type,
         sealed = excluded.sealed, fetched_ts = excluded.fetched_ts",
        params![
            media.server_name.as_str(),
            media.media_id.as_str(),
            media.variant.as_str(),
            media.content_hash.clone(),
            media.byte_size,
            media.content_type.clone(),
            media.sealed.clone(),
            media.fetched_ts
        ],
    );
}

/// The size of the whole cache in bytes.
pub async fn size(snapshot: &Snapshot) -> Result<i64, StoreError> {
    let row = snapshot.query_one("SELECT CAST(COALESCE(SUM(byte_size), 0) AS BIGINT) FROM remote_media", &[]).await?;
    row.int(0)
}

/// At most `limit` of the files that were fetched first: server, id, variant, blob, size, time.
pub async fn oldest(snapshot: &Snapshot, limit: i64) -> Result<Vec<RemoteMedia>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT server_name, media_id, variant, content_hash, byte_size, fetched_ts FROM remote_media
             ORDER BY fetched_ts LIMIT $1",
            &params![limit],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(RemoteMedia {
                server_name: row.text(0)?.to_owned(),
                media_id: row.text(1)?.to_owned(),
                variant: row.text(2)?.to_owned(),
                content_hash: row.blob(3)?,
                byte_size: row.int(4)?,
                content_type: None,
                sealed: None,
                fetched_ts: row.int(5)?,
            })
        })
        .collect()
}

/// Takes a file out of the cache.
pub fn remove(batch: &mut Batch, media: &RemoteMedia) {
    batch.push(
        "DELETE FROM remote_media WHERE server_name = $1 AND media_id = $2 AND variant = $3",
        params![media.server_name.as_str(), media.media_id.as_str(), media.variant.as_str()],
    );
}

/// Whether any file in the cache has this blob.
pub async fn is_used(snapshot: &Snapshot, content_hash: Bytes) -> Result<bool, StoreError> {
    let row = snapshot
        .query_opt("SELECT 1 FROM remote_media WHERE content_hash = $1 LIMIT 1", &params![content_hash])
        .await?;
    Ok(row.is_some())
}
