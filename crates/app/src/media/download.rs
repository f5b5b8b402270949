//! Downloads: of what is there, or of what is awaited, for as long as the client wants to wait.

use std::time::Duration;

use bytes::Bytes;
use domicile_core::error::ErrorKind;
use domicile_store::table::media::{self, Media as Row};
use ruma::ServerName;

use super::{ByteStream, LONGEST_WAIT, Media, SEALED, is_media_id};
use crate::{Error, Result, error::not_found};

/// How often somebody who waits looks, if nobody in this process rings.
const LOOK: Duration = Duration::from_secs(2);

/// Content on its way out.
pub struct Download {
    /// What the uploader says it is.
    pub content_type: Option<String>,
    /// What the uploader's file was called.
    pub filename: Option<String>,
    /// Its size in bytes.
    pub byte_size: u64,
    /// Its bytes.
    pub content: ByteStream,
}

/// Media with its blob.
pub(super) struct Found {
    pub(super) row: Row,
    pub(super) hash: Bytes,
}

impl Media {
    /// The content of media. What is awaited is waited for.
    pub async fn download(&self, server_name: &ServerName, media_id: &str, wait: Duration) -> Result<Download> {
        if !self.is_ours(server_name) {
            return self.download_remote(server_name, media_id, wait).await;
        }
        match self.find(server_name, media_id, wait).await {
            Err(error) if is_elsewhere(&error) => self.download_elsewhere(media_id, wait).await,
            found => self.open(found?).await,
        }
    }

    pub(super) async fn open(&self, found: Found) -> Result<Download> {
        let content = self.blobs.open(found.row.user_num, found.hash).await?.ok_or_else(gone)?;
        let filename = match &found.row.sealed {
            Some(sealed) => {
                let opened = self.keystore.key_of(found.row.user_num).await?.open(SEALED, sealed)?;
                String::from_utf8(opened).ok()
            }
            None => None,
        };
        Ok(Download {
            content_type: found.row.content_type,
            filename,
            byte_size: u64::try_from(found.row.byte_size).map_err(Error::internal)?,
            content,
        })
    }

    /// Media that is there within the time.
    pub(super) async fn find(&self, server_name: &ServerName, media_id: &str, wait: Duration) -> Result<Found> {
        if !self.is_ours(server_name) || !is_media_id(media_id) {
            return Err(gone());
        }
        let deadline = tokio::time::Instant::now() + wait.min(LONGEST_WAIT);
        loop {
            // Whoever rings from here on is heard.
            let arrived = self.arrived.notified();
            let wanted = media_id.to_owned();
            let row = self.store.read(move |snapshot| async move { media::by_id(&snapshot, &wanted).await }).await?;
            let row = row.ok_or_else(gone)?;
            if let Some(hash) = row.content_hash.clone() {
                return Ok(Found { row, hash });
            }
            if row.expires_ts.is_some_and(|end| end <= self.clock.now_ms()) {
                return Err(gone());
            }
            let now = tokio::time::Instant::now();
            if now >= deadline {
                return Err(ErrorKind::NotYetUploaded
                    .with("The media is awaited, and has not come yet: try again.")
                    .into());
            }
            let _rung_or_not = tokio::time::timeout(LOOK.min(deadline - now), arrived).await;
        }
    }
}

/// Whether what is the deployment's own, and not here, may be in another cell.
pub(super) fn is_elsewhere(error: &Error) -> bool {
    matches!(error, Error::Matrix(error) if error.kind == ErrorKind::NotFound)
}

pub(super) fn gone() -> Error {
    not_found("There is no such media.")
}
