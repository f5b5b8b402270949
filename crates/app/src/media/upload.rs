//! Uploads: at once, or announced first and sent later (asynchronous upload).

use std::time::Duration;

use domicile_core::{
    error::{ErrorKind, MatrixError},
    ids::UserNum,
    rng,
};
use domicile_store::{
    Batch,
    table::media::{self, Media as Row},
};
use futures::StreamExt;
use ruma::{MilliSecondsSinceUnixEpoch, OwnedMxcUri, ServerName, UInt};

use super::{ByteStream, Media, SEALED, blobs::Stored, is_media_id};
use crate::{Error, Result, error::not_found};

/// Letters of a media id: 190 bits, since who knows it may read.
const ID_LENGTH: usize = 32;
/// Longest name of a file in bytes.
const FILENAME_BYTES: usize = 1_024;
/// Longest content type in bytes.
const CONTENT_TYPE_BYTES: usize = 255;
/// How long the next piece of an upload may take.
const PIECE_TIME: Duration = Duration::from_secs(30);

/// What the uploader says of the content.
#[derive(Clone, Debug, Default)]
pub struct Described {
    /// What it is.
    pub content_type: Option<String>,
    /// What the uploader's file is called.
    pub filename: Option<String>,
    /// Its size in bytes, if that is known beforehand.
    pub byte_size: Option<u64>,
}

/// An address for media that is still to come.
#[derive(Clone, Debug)]
pub struct Reserved {
    /// The address.
    pub uri: OwnedMxcUri,
    /// Until when the upload may come.
    pub expires: MilliSecondsSinceUnixEpoch,
}

impl Media {
    /// Takes an upload and gives its address.
    pub async fn upload(&self, user_num: UserNum, described: Described, content: ByteStream) -> Result<OwnedMxcUri> {
        check(&described)?;
        let stored = self.take(user_num, &described, content).await?;
        let media_id = rng::name(&*self.rng, ID_LENGTH);
        let mut batch = Batch::new();
        media::insert(&mut batch, &self.row(media_id.clone(), user_num, described, stored).await?);
        self.store.write(batch).await?;
        Ok(self.uri(&media_id))
    }

    /// Gives an address for media that will be uploaded later.
    pub async fn reserve(&self, user_num: UserNum) -> Result<Reserved> {
        let now_ms = self.clock.now_ms();
        let awaited = self.store.read(move |snapshot| async move { media::awaited(&snapshot, user_num, now_ms).await });
        if awaited.await? >= self.settings.awaited_at_once {
            return Err(MatrixError::limit_exceeded(self.settings.awaited_ms.unsigned_abs() / 10).into());
        }
        let media_id = rng::name(&*self.rng, ID_LENGTH);
        let expires_ts = now_ms + self.settings.awaited_ms;
        let row = Row {
            media_id: media_id.clone(),
            user_num,
            created_ts: now_ms,
            content_hash: None,
            byte_size: 0,
            content_type: None,
            sealed: None,
            expires_ts: Some(expires_ts),
        };
        let mut batch = Batch::new();
        media::remove_expired(&mut batch, user_num, now_ms);
        media::insert(&mut batch, &row);
        self.store.write(batch).await?;
        let expires = UInt::try_from(expires_ts).map_err(Error::internal)?;
        Ok(Reserved { uri: self.uri(&media_id), expires: MilliSecondsSinceUnixEpoch(expires) })
    }

    /// Takes the upload for an address that was given before.
    pub async fn upload_to(
        &self,
        user_num: UserNum,
        server_name: &ServerName,
        media_id: &str,
        described: Described,
        content: ByteStream,
    ) -> Result<()> {
        check(&described)?;
        let awaited = self.awaited(server_name, media_id).await?;
        if awaited.user_num != user_num {
            return Err(ErrorKind::Forbidden.with("This address was given to somebody else.").into());
        }
        if awaited.content_hash.is_some() {
            return Err(there_already());
        }
        let stored = self.take(user_num, &described, content).await?;
        let mut batch = Batch::new();
        media::complete(&mut batch, &self.row(awaited.media_id, user_num, described, stored).await?);
        match self.store.write(batch).await {
            Err(error) if error.is_conflict() => return Err(there_already()),
            written => written?,
        };
        self.arrived.notify_waiters();
        Ok(())
    }

    async fn awaited(&self, server_name: &ServerName, media_id: &str) -> Result<Row> {
        let unknown = || not_found("No upload is awaited there: ask for an address first, and use it in time.");
        if !self.is_ours(server_name) || !is_media_id(media_id) {
            return Err(unknown());
        }
        let wanted = media_id.to_owned();
        let found = self.store.read(move |snapshot| async move { media::by_id(&snapshot, &wanted).await }).await?;
        let now_ms = self.clock.now_ms();
        found.filter(|row| row.expires_ts.is_none_or(|end| end > now_ms)).ok_or_else(unknown)
    }

    /// Takes the content in, piece by piece.
    async fn take(&self, owner: UserNum, described: &Described, mut content: ByteStream) -> Result<Stored> {
        let limit = self.settings.upload_bytes;
        let too_large = || Error::from(ErrorKind::TooLarge.with(format!("An upload has at most {limit} bytes.")));
        if described.byte_size.is_some_and(|size| size > limit) {
            return Err(too_large());
        }
        let mut blob = self.blobs.begin(owner).await?;
        let mut taken = 0_u64;
        loop {
            let piece = tokio::time::timeout(PIECE_TIME, content.next())
                .await
                .map_err(|_| ErrorKind::BadRequest.with("The upload stood still for too long: send it again."))?;
            let Some(piece) = piece else { break };
            let piece =
                piece.map_err(|_| ErrorKind::BadRequest.with("The upload did not arrive whole: send it again."))?;
            taken = taken.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
            if taken > limit {
                return Err(too_large());
            }
            blob.write(piece).await?;
        }
        blob.finish().await
    }

    async fn row(&self, media_id: String, user_num: UserNum, described: Described, stored: Stored) -> Result<Row> {
        let sealed = match &described.filename {
            Some(filename) => Some(self.keystore.key_of(user_num).await?.seal(SEALED, filename.as_bytes())?),
            None => None,
        };
        Ok(Row {
            media_id,
            user_num,
            created_ts: self.clock.now_ms(),
            content_hash: Some(stored.hash),
            byte_size: i64::try_from(stored.byte_size).map_err(Error::internal)?,
            content_type: described.content_type,
            sealed,
            expires_ts: None,
        })
    }

    fn uri(&self, media_id: &str) -> OwnedMxcUri {
        format!("mxc://{}/{media_id}", self.server_name).into()
    }
}

fn there_already() -> Error {
    ErrorKind::CannotOverwriteMedia.with("There is media at this address already, which never changes.").into()
}

fn check(described: &Described) -> Result<()> {
    if described.filename.as_ref().is_some_and(|name| name.len() > FILENAME_BYTES) {
        return Err(ErrorKind::InvalidParam.with("The file's name is too long.").into());
    }
    let fits =
        |text: &String| text.len() <= CONTENT_TYPE_BYTES && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if described.content_type.as_ref().is_some_and(|text| !fits(text)) {
        return Err(ErrorKind::InvalidParam.with("The content type is none.").into());
    }
    Ok(())
}
