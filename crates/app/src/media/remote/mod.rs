//! Media of other servers: asked of their servers when somebody wants to see it, and kept for a while in a cache of a bounded size.

mod cache;
pub(super) mod fetch;

use std::{sync::Arc, time::Duration};

use domicile_core::{error::ErrorKind, locality::is_cell};
use futures::{StreamExt, TryStreamExt, stream};
use ruma::{OwnedServerName, ServerName};

pub use cache::RemoteCache;
pub use fetch::Fetcher;
use fetch::File;

use super::{
    Download, LONGEST_WAIT, Media, Wanted, is_media_id,
    picture::{Made, Size},
    thumbnail::{SOURCE_BYTES, too_large},
};
use crate::{
    Error, Result,
    error::not_found,
    federation::{Kept, OneAtATime},
};

/// How long is remembered that a server does not have a file, in milliseconds, and for how many.
const MISSING: (i64, usize) = (60_000, 10_000);

/// Media of other servers.
pub struct RemoteMedia {
    fetcher: Fetcher,
    cache: RemoteCache,
    missing: Kept<Key, ()>,
    fetching: OneAtATime<Key>,
}

/// A file, or a thumbnail of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) server_name: OwnedServerName,
    pub(super) media_id: String,
    /// Empty for the file itself.
    pub(super) variant: String,
}

impl RemoteMedia {
    /// Fetched by `fetcher`, kept in `cache`.
    pub fn new(fetcher: Fetcher, cache: RemoteCache) -> Self {
        let missing = Kept::new(Arc::clone(cache.clock()), MISSING.1);
        Self { fetcher, cache, missing, fetching: OneAtATime::default() }
    }

    /// What fetches files of others.
    pub(super) fn fetcher(&self) -> &Fetcher {
        &self.fetcher
    }

    /// Removes what has been kept long enough. Gives how many files it was.
    pub async fn forget(&self) -> Result<usize> {
        self.cache.forget().await
    }

    async fn open(&self, key: &Key) -> Result<Option<Download>> {
        if let Some(download) = self.cache.open(key).await? {
            return Ok(Some(download));
        }
        if self.missing.get(key).is_some() {
            return Err(not_found(format!("{} does not have this file.", key.server_name)));
        }
        Ok(None)
    }

    /// What a fetch brought, kept and ready to be given; or the reason why it brought nothing.
    async fn keep(&self, key: &Key, fetched: Result<File>) -> Result<Download> {
        match fetched {
            Ok(file) => {
                self.cache.put(key, &file).await?;
                Ok(given(file))
            }
            Err(error) => {
                if matches!(&error, Error::Matrix(error) if error.kind == ErrorKind::NotFound) {
                    self.missing.put(key.clone(), (), MISSING.0);
                }
                Err(error)
            }
        }
    }
}

impl Media {
    /// A file of another server.
    pub(super) async fn download_remote(
        &self,
        server_name: &ServerName,
        media_id: &str,
        wait: Duration,
    ) -> Result<Download> {
        let key = key(server_name, media_id, "")?;
        if let Some(download) = self.remote.open(&key).await? {
            return Ok(download);
        }
        let lock = self.remote.fetching.of(key.clone());
        let _one = lock.lock().await;
        if let Some(download) = self.remote.open(&key).await? {
            return Ok(download);
        }
        let fetched = self.remote.fetcher.file(&key, wait.min(LONGEST_WAIT)).await;
        self.remote.keep(&key, fetched).await
    }

    /// A thumbnail of a picture of another server: as that server makes it, or made here of the whole picture.
    pub(super) async fn thumbnail_remote(
        &self,
        server_name: &ServerName,
        media_id: &str,
        wait: Duration,
        wanted: Wanted,
    ) -> Result<Download> {
        let Some(size) = Size::at_least(wanted.method, wanted.width, wanted.height) else {
            return self.download_remote(server_name, media_id, wait).await;
        };
        let variant = format!("{}x{} {}", size.width, size.height, wanted.method.as_str());
        let key = key(server_name, media_id, &variant)?;
        if let Some(download) = self.remote.open(&key).await? {
            return Ok(download);
        }
        let lock = self.remote.fetching.of(key.clone());
        let _one = lock.lock().await;
        if let Some(download) = self.remote.open(&key).await? {
            return Ok(download);
        }
        let fetched = self.remote.fetcher.thumbnail(&key, wanted.method, size, wait.min(LONGEST_WAIT)).await;
        // Whoever cannot make one, or does not know the request, may still have the picture.
        let refused = matches!(
            &fetched,
            Err(Error::Matrix(error)) if matches!(error.kind, ErrorKind::BadRequest | ErrorKind::TooLarge | ErrorKind::BadGateway)
        );
        if !refused {
            return self.remote.keep(&key, fetched).await;
        }
        let whole = self.download_remote(server_name, media_id, wait).await?;
        if i64::try_from(whole.byte_size).unwrap_or(i64::MAX) > SOURCE_BYTES {
            return Err(too_large());
        }
        let (content_type, filename) = (whole.content_type, whole.filename);
        let source: Vec<u8> = whole.content.try_concat_bytes().await?;
        match self.small(source.clone(), wanted.method, size).await? {
            Made::Picture(picture) => {
                let content_type = Some(picture.content_type.to_owned());
                let file = File { content: picture.bytes.into(), content_type, filename: None };
                self.remote.keep(&key, Ok(file)).await
            }
            Made::NotSmaller => Ok(given(File { content: source.into(), content_type, filename })),
            Made::TooLarge => Err(too_large()),
            Made::Unreadable => {
                Err(ErrorKind::BadRequest.with("This is no picture of which the server can make a thumbnail.").into())
            }
        }
    }

    /// Removes files of other servers that have been kept long enough. Gives how many it was.
    pub async fn forget_remote(&self) -> Result<usize> {
        self.remote.forget().await
    }
}

/// A stream as a whole.
trait Concat {
    async fn try_concat_bytes(self) -> Result<Vec<u8>>;
}

impl Concat for super::ByteStream {
    async fn try_concat_bytes(mut self) -> Result<Vec<u8>> {
        let mut whole = Vec::new();
        while let Some(piece) = self.try_next().await.map_err(Error::internal)? {
            whole.extend_from_slice(&piece);
        }
        Ok(whole)
    }
}

fn key(server_name: &ServerName, media_id: &str, variant: &str) -> Result<Key> {
    if !is_media_id(media_id) || is_cell(server_name) {
        return Err(not_found("There is no such media."));
    }
    Ok(Key { server_name: server_name.to_owned(), media_id: media_id.to_owned(), variant: variant.to_owned() })
}

pub(super) fn given(file: File) -> Download {
    Download {
        content_type: file.content_type,
        filename: file.filename,
        byte_size: file.content.len() as u64,
        content: stream::iter([Ok(file.content)]).boxed(),
    }
}
