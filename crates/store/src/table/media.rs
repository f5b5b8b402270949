//! `media` and `media_thumbnails`: what was uploaded, by whom, and where its bytes lie.

use bytes::Bytes;
use domicile_core::ids::UserNum;

use crate::{Batch, Row, Snapshot, StoreError, params};

/// A row of `media`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// The part of the `mxc:` URI after the server's name.
    pub media_id: String,
    /// Who uploaded it, or is about to.
    pub user_num: UserNum,
    /// When the row was made, in milliseconds since the epoch.
    pub created_ts: i64,
    /// The blob; none before the upload.
    pub content_hash: Option<Bytes>,
    /// The size of the content in bytes.
    pub byte_size: i64,
    /// What the uploader says it is.
    pub content_type: Option<String>,
    /// The file's name, sealed with the owner's key.
    pub sealed: Option<Bytes>,
    /// Until when the upload may come, if it is awaited.
    pub expires_ts: Option<i64>,
}

/// A row of `media_thumbnails`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thumbnail {
    /// Of which media.
    pub media_id: String,
    /// The width that was asked for, in pixels.
    pub width: i64,
    /// The height that was asked for, in pixels.
    pub height: i64,
    /// `crop` or `scale`.
    pub method: String,
    /// The blob.
    pub content_hash: Bytes,
    /// Its size in bytes.
    pub byte_size: i64,
    /// What it is.
    pub content_type: String,
}

fn media(row: &Row) -> Result<Media, StoreError> {
    Ok(Media {
        media_id: row.text(0)?.to_owned(),
        user_num: row.num(1)?,
        created_ts: row.int(2)?,
        content_hash: row.opt_blob(3)?,
        byte_size: row.int(4)?,
        content_type: row.opt_text(5)?.map(str::to_owned),
        sealed: row.opt_blob(6)?,
        expires_ts: row.opt_int(7)?,
    })
}

/// The media of an id.
pub async fn by_id(snapshot: &Snapshot, media_id: &str) -> Result<Option<Media>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT media_id, user_num, created_ts, content_hash, byte_size, content_type, sealed, expires_ts FROM media
             WHERE media_id = $1",
            &params![media_id],
        )
        .await?;
    row.as_ref().map(media).transpose()
}

/// At most `limit` ids of media that begin so, letters and digits.
pub async fn beginning(snapshot: &Snapshot, beginning: &str, limit: i64) -> Result<Vec<String>, StoreError> {
    // Ids are letters, digits, hyphens and underscores: all of them stand before the tilde.
    let end = format!("{beginning}~");
    let sql = "SELECT media_id FROM media WHERE media_id >= $1 AND media_id < $2 LIMIT $3";
    let rows = snapshot.query(sql, &params![beginning, end.as_str(), limit]).await?;
    rows.iter().map(|row| Ok(row.text(0)?.to_owned())).collect()
}

/// At most `limit` of what a user uploaded or is about to, after an id.
pub async fn of_user(
    snapshot: &Snapshot,
    user_num: UserNum,
    after: &str,
    limit: i64,
) -> Result<Vec<Media>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT media_id, user_num, created_ts, content_hash, byte_size, content_type, sealed, expires_ts FROM media
             WHERE user_num = $1 AND media_id > $2 ORDER BY media_id LIMIT $3",
            &params![user_num, after, limit],
        )
        .await?;
    rows.iter().map(media).collect()
}

/// The blobs of the thumbnails of media.
pub async fn thumbnail_hashes(snapshot: &Snapshot, media_id: &str) -> Result<Vec<Bytes>, StoreError> {
    let rows =
        snapshot.query("SELECT content_hash FROM media_thumbnails WHERE media_id = $1", &params![media_id]).await?;
    rows.iter().map(|row| row.blob(0)).collect()
}

/// Removes all media of a user, with its small pictures.
pub fn remove_of(batch: &mut Batch, user_num: UserNum) {
    for sql in [
        "DELETE FROM media_thumbnails WHERE media_id IN (SELECT media_id FROM media WHERE user_num = $1)",
        "DELETE FROM media WHERE user_num = $1",
    ] {
        batch.push(sql, params![user_num]);
    }
}

/// Adds media; a conflict if the id is taken.
pub fn insert(batch: &mut Batch, media: &Media) {
    batch.push(
        "INSERT INTO media (media_id, user_num, created_ts, content_hash, byte_size, content_type, sealed, expires_ts)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        params![
            media.media_id.as_str(),
            media.user_num,
            media.created_ts,
            media.content_hash.clone(),
            media.byte_size,
            media.content_type.clone(),
            media.sealed.clone(),
            media.expires_ts
        ],
    );
}

/// Notes that awaited media has come. The batch fails if it has already.
pub fn complete(batch: &mut Batch, media: &Media) {
    batch.guard(
        "media.content_hash",
        "UPDATE media SET content_hash = $3, byte_size = $4, content_type = $5, sealed = $6, expires_ts = NULL
         WHERE media_id = $1 AND user_num = $2 AND content_hash IS NULL",
        params![
            media.media_id.as_str(),
            media.user_num,
            media.content_hash.clone(),
            media.byte_size,
            media.content_type.clone(),
            media.sealed.clone()
        ],
    );
}

/// How many uploads of a user are awaited at `now_ms`.
pub async fn awaited(snapshot: &Snapshot, user_num: UserNum, now_ms: i64) -> Result<i64, StoreError> {
    let row = snapshot
        .query_one(
            "SELECT COUNT(*) FROM media WHERE user_num = $1 AND content_hash IS NULL AND expires_ts > $2",
            &params![user_num, now_ms],
        )
        .await?;
    row.int(0)
}

/// Removes a user's uploads that were awaited and did not come.
pub fn remove_expired(batch: &mut Batch, user_num: UserNum, now_ms: i64) {
    batch.push(
        "DELETE FROM media WHERE user_num = $1 AND content_hash IS NULL AND expires_ts <= $2",
        params![user_num, now_ms],
    );
}

/// A thumbnail that was made before.
pub async fn thumbnail(
    snapshot: &Snapshot,
    media_id: &str,
    width: i64,
    height: i64,
    method: &str,
) -> Result<Option<Thumbnail>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT content_hash, byte_size, content_type FROM media_thumbnails
             WHERE media_id = $1 AND width = $2 AND height = $3 AND method = $4 AND animated = 0",
            &params![media_id, width, height, method],
        )
        .await?;
    row.map(|row| {
        Ok(Thumbnail {
            media_id: media_id.to_owned(),
            width,
            height,
            method: method.to_owned(),
            content_hash: row.blob(0)?,
            byte_size: row.int(1)?,
            content_type: row.text(2)?.to_owned(),
        })
    })
    .transpose()
}

/// Adds a thumbnail, unless somebody else made the same one at the same time.
pub fn insert_thumbnail(batch: &mut Batch, thumbnail: &Thumbnail) {
    batch.push(
        "INSERT INTO media_thumbnails (media_id, width, height, method, animated, content_hash, byte_size, content_type)
         VALUES ($1, $2, $3, $4, 0, $5, $6, $7) ON CONFLICT (media_id, width, height, method, animated) DO NOTHING",
        params![
            thumbnail.media_id.as_str(),
            thumbnail.width,
            thumbnail.height,
            thumbnail.method.as_str(),
            thumbnail.content_hash.clone(),
            thumbnail.byte_size,
            thumbnail.content_type.as_str()
        ],
    );
}

/// How many files a user has uploaded, and how many bytes they are together.
pub async fn total_of(snapshot: &Snapshot, user_num: UserNum) -> Result<(i64, i64), StoreError> {
    let row = snapshot
        .query_one(
            "SELECT COUNT(*), CAST(COALESCE(SUM(byte_size), 0) AS BIGINT) FROM media WHERE user_num = $1",
            &params![user_num],
        )
        .await?;
    Ok((row.int(0)?, row.int(1)?))
}
