//! Reading a blob, whole or a range of it, a few chunks at a time.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    ops::Range,
    path::PathBuf,
};

use bytes::Bytes;
use futures::Stream;

use super::{
    BlobError, blocking,
    chunks::{CHUNK, HEADER, Header, SEALED_CHUNK, measure},
};
use crate::UserKey;

/// Chunks that are read and opened in one go.
const GATHER: u32 = 4;
const WHAT: &str = "cannot read a stored file";

/// A blob that is being read.
pub struct BlobReader {
    key: UserKey,
    header: Header,
    chunks: u32,
    size: u64,
    wanted: Range<u64>,
    /// Away while it works.
    file: Option<File>,
}

impl BlobReader {
    pub(super) async fn open(path: PathBuf, key: UserKey) -> Result<Self, BlobError> {
        let wrong = |error| BlobError::io(WHAT, error);
        blocking(move || {
            let mut file = File::open(path).map_err(wrong)?;
            let (chunks, size) = measure(file.metadata().map_err(wrong)?.len())?;
            let mut header = [0; HEADER];
            file.read_exact(&mut header).map_err(wrong)?;
            let header = Header::parse(&header)?;
            Ok(Self { key, header, chunks, size, wanted: 0..size, file: Some(file) })
        })
        .await
    }

    /// Bytes of the whole blob.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Reads only this range, as far as the blob goes.
    #[must_use]
    pub fn range(mut self, range: Range<u64>) -> Self {
        let end = range.end.min(self.size);
        self.wanted = range.start.min(end)..end;
        self
    }

    /// The next bytes; nothing at the end. No byte is given that was not authenticated.
    pub async fn next(&mut self) -> Result<Option<Bytes>, BlobError> {
        if self.wanted.is_empty() && self.size > 0 {
            return Ok(None);
        }
        // After an error there is nothing more to read; an empty blob is read once, to know that it is meant to be empty.
        let Some(mut file) = self.file.take() else { return Ok(None) };
        let (key, header, chunks, size) = (self.key.clone(), self.header, self.chunks, self.size);
        let wanted = self.wanted.clone();
        let (file, bytes) = blocking(move || {
            let bytes = read(&mut file, &key, header, (chunks, size), &wanted)?;
            Ok((file, bytes))
        })
        .await?;
        self.wanted.start += bytes.len() as u64;
        if self.size == 0 {
            return Ok(None);
        }
        self.file = Some(file);
        Ok(Some(bytes))
    }

    /// All that is left, in memory: for small blobs.
    pub async fn read_all(mut self) -> Result<Bytes, BlobError> {
        let mut all = Vec::new();
        while let Some(bytes) = self.next().await? {
            all.extend_from_slice(&bytes);
        }
        Ok(Bytes::from(all))
    }

    /// The rest as a stream, for the body of an answer.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, BlobError>> + Send {
        futures::stream::try_unfold(self, |mut reader| async move {
            let next = reader.next().await?;
            Ok(next.map(|bytes| (bytes, reader)))
        })
    }
}

/// Opens the chunk where `wanted` begins, and some after it.
fn read(
    file: &mut File,
    key: &UserKey,
    header: Header,
    (chunks, size): (u32, u64),
    wanted: &Range<u64>,
) -> Result<Bytes, BlobError> {
    let wrong = |error| BlobError::io(WHAT, error);
    let chunk = CHUNK as u64;
    let first = u32::try_from(wanted.start / chunk).unwrap_or(u32::MAX).min(chunks - 1);
    let wanted_chunks = u32::try_from(wanted.end.div_ceil(chunk)).unwrap_or(u32::MAX);
    let after = wanted_chunks.clamp(first + 1, first.saturating_add(GATHER).min(chunks));
    file.seek(SeekFrom::Start(HEADER as u64 + u64::from(first) * SEALED_CHUNK as u64)).map_err(wrong)?;
    let mut sealed = Vec::new();
    file.take(u64::from(after - first) * SEALED_CHUNK as u64).read_to_end(&mut sealed).map_err(wrong)?;
    let mut plaintext = Vec::with_capacity(sealed.len());
    for number in first..after {
        let at = (number - first) as usize * SEALED_CHUNK;
        let body = sealed.get(at..sealed.len().min(at + SEALED_CHUNK)).unwrap_or_default();
        plaintext.extend(header.open(key.blobs(), number, number + 1 == chunks, body)?);
    }
    let offset = u64::from(first) * chunk;
    let end = wanted.end.min(size).saturating_sub(offset).min(plaintext.len() as u64);
    let range = usize::try_from(wanted.start - offset).unwrap_or(0)..usize::try_from(end).unwrap_or(0);
    Ok(Bytes::from(plaintext).slice(range))
}
