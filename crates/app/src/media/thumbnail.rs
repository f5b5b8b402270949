//! Thumbnails: made once for each of a few sizes, off the async threads, and kept.

use std::time::Duration;

use bytes::Bytes;
use domicile_core::error::ErrorKind;
use domicile_store::{
    Batch,
    table::media::{self, Thumbnail},
};
use futures::{StreamExt, TryStreamExt, stream};
use ruma::ServerName;

use super::{
    Download, Media,
    download::{Found, gone, is_elsewhere},
    picture::{self, Made, Method, Picture, Size},
};
use crate::{Error, Result};

/// Largest picture in bytes of which a thumbnail is made.
pub(super) const SOURCE_BYTES: i64 = 32 * 1024 * 1024;

/// The thumbnail that a client asks for. The answer is at least as large, unless the picture is smaller.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// How to fit.
    pub method: Method,
    /// The width in pixels.
    pub width: u32,
    /// The height in pixels.
    pub height: u32,
}

impl Media {
    /// A thumbnail of media, or the picture itself if that is no larger.
    pub async fn thumbnail(
        &self,
        server_name: &ServerName,
        media_id: &str,
        wait: Duration,
        wanted: Wanted,
    ) -> Result<Download> {
        if wanted.width == 0 || wanted.height == 0 {
            return Err(no_pixels());
        }
        if !self.is_ours(server_name) {
            return self.thumbnail_remote(server_name, media_id, wait, wanted).await;
        }
        match self.find(server_name, media_id, wait).await {
            Err(error) if is_elsewhere(&error) => self.thumbnail_elsewhere(media_id, wait, wanted).await,
            found => self.thumbnail_here(found?, wanted).await,
        }
    }

    /// The same of media that is here.
    pub(super) async fn thumbnail_here(&self, found: Found, wanted: Wanted) -> Result<Download> {
        if wanted.width == 0 || wanted.height == 0 {
            return Err(no_pixels());
        }
        let Some(size) = Size::at_least(wanted.method, wanted.width, wanted.height) else {
            return self.open(found).await;
        };
        if let Some(download) = self.kept(&found, wanted.method, size).await? {
            return Ok(download);
        }
        let _place = self.thumbnails.acquire().await.map_err(Error::internal)?;
        // Whoever had the place before may have made it.
        if let Some(download) = self.kept(&found, wanted.method, size).await? {
            return Ok(download);
        }
        let source = self.source(&found).await?;
        match making(source, wanted.method, size).await {
            Made::NotSmaller => self.open(found).await,
            Made::TooLarge => Err(too_large()),
            Made::Unreadable => {
                Err(ErrorKind::BadRequest.with("This is no picture of which the server can make a thumbnail.").into())
            }
            Made::Picture(picture) => self.keep(&found, wanted.method, size, picture).await,
        }
    }

    /// A small picture of a large one, when there is a place at the work bench.
    pub(super) async fn small(&self, source: Vec<u8>, method: Method, size: Size) -> Result<Made> {
        let _place = self.thumbnails.acquire().await.map_err(Error::internal)?;
        Ok(making(source, method, size).await)
    }

    async fn kept(&self, found: &Found, method: Method, size: Size) -> Result<Option<Download>> {
        let media_id = found.row.media_id.clone();
        let (width, height) = (i64::from(size.width), i64::from(size.height));
        let kept = self.store.read(move |snapshot| async move {
            media::thumbnail(&snapshot, &media_id, width, height, method.as_str()).await
        });
        let Some(kept) = kept.await? else { return Ok(None) };
        // Without its blob it is made anew.
        let Some(content) = self.blobs.open(found.row.user_num, kept.content_hash).await? else { return Ok(None) };
        let byte_size = u64::try_from(kept.byte_size).map_err(Error::internal)?;
        Ok(Some(Download { content_type: Some(kept.content_type), filename: None, byte_size, content }))
    }

    async fn source(&self, found: &Found) -> Result<Vec<u8>> {
        if found.row.byte_size > SOURCE_BYTES {
            return Err(too_large());
        }
        let mut content = self
            .blobs
            .open(found.row.user_num, found.hash.clone())
            .await?
            // Its owner was erased.
            .ok_or_else(gone)?;
        let mut source = Vec::with_capacity(usize::try_from(found.row.byte_size).unwrap_or_default());
        while let Some(piece) = content.try_next().await.map_err(Error::internal)? {
            source.extend_from_slice(&piece);
        }
        Ok(source)
    }

    async fn keep(&self, found: &Found, method: Method, size: Size, picture: Picture) -> Result<Download> {
        let content = Bytes::from(picture.bytes);
        let mut blob = self.blobs.begin(found.row.user_num).await?;
        blob.write(content.clone()).await?;
        let stored = blob.finish().await?;
        let mut batch = Batch::new();
        let thumbnail = Thumbnail {
            media_id: found.row.media_id.clone(),
            width: i64::from(size.width),
            height: i64::from(size.height),
            method: method.as_str().to_owned(),
            content_hash: stored.hash,
            byte_size: i64::try_from(stored.byte_size).map_err(Error::internal)?,
            content_type: picture.content_type.to_owned(),
        };
        media::insert_thumbnail(&mut batch, &thumbnail);
        self.store.write(batch).await?;
        Ok(Download {
            content_type: Some(thumbnail.content_type),
            filename: None,
            byte_size: stored.byte_size,
            content: stream::iter([Ok(content)]).boxed(),
        })
    }
}

fn no_pixels() -> Error {
    ErrorKind::InvalidParam.with("A thumbnail has at least one pixel each way.").into()
}

async fn making(source: Vec<u8>, method: Method, size: Size) -> Made {
    let made = tokio::task::spawn_blocking(move || picture::make(&source, method, size));
    // A decoder that panics has met a picture it cannot read.
    made.await.unwrap_or(Made::Unreadable)
}

pub(super) fn too_large() -> Error {
    ErrorKind::TooLarge.with("The picture is too large for a thumbnail.").into()
}
