//! Writing a blob: sealed as it comes, named when it is whole.

use std::{
    fs::{self, File},
    io::Write,
    path::PathBuf,
};

use domicile_core::rng;
use sha2::{Digest, Sha256};

use super::{
    BlobError, BlobId, Blobs, blocking,
    chunks::{CHUNK, Header},
    fs::make_folder,
};
use crate::{UserKey, seal};

/// Bytes that are gathered before they are sealed and written in one go.
const GATHER: usize = 4 * CHUNK;
const WHAT: &str = "cannot store a file";

/// A blob that is being written. Dropped before [`BlobWriter::finish`], it leaves nothing behind.
pub struct BlobWriter {
    blobs: Blobs,
    limit: u64,
    taken: u64,
    gathered: Vec<u8>,
    /// Away while it works.
    file: Option<Unfinished>,
}

/// The file, on the threads where files may be touched.
struct Unfinished {
    file: File,
    path: PathBuf,
    key: UserKey,
    header: Header,
    number: u32,
    hash: Sha256,
    renamed: bool,
}

impl BlobWriter {
    pub(super) async fn begin(blobs: Blobs, key: UserKey, limit: u64) -> Result<Self, BlobError> {
        let path = blobs.unfinished().join(rng::name(key.rng(), 32));
        let file = blocking(move || {
            let header = Header::random(key.rng());
            let mut options = File::options();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(&path).map_err(|error| BlobError::io(WHAT, error))?;
            file.write_all(&header.to_bytes()).map_err(|error| BlobError::io(WHAT, error))?;
            Ok(Unfinished { file, path, key, header, number: 0, hash: Sha256::new(), renamed: false })
        })
        .await?;
        Ok(Self { blobs, limit, taken: 0, gathered: Vec::with_capacity(GATHER + CHUNK), file: Some(file) })
    }

    /// Adds `bytes`.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        self.taken = self.taken.saturating_add(bytes.len() as u64);
        if self.taken > self.limit {
            self.file = None;
            return Err(BlobError::TooLarge(self.limit));
        }
        for part in bytes.chunks(GATHER) {
            self.gathered.extend_from_slice(part);
            if self.gathered.len() > GATHER {
                // The last chunk is sealed as the last: one byte at least stays back.
                let whole = (self.gathered.len() - 1) / CHUNK * CHUNK;
                let rest = self.gathered.split_off(whole);
                let ready = std::mem::replace(&mut self.gathered, rest);
                self.work(move |file| file.append(&ready, false)).await?;
            }
        }
        Ok(())
    }

    /// Ends the blob. When this returns its name and its number of bytes, it is on disk.
    pub async fn finish(mut self) -> Result<(BlobId, u64), BlobError> {
        let rest = std::mem::take(&mut self.gathered);
        let blobs = self.blobs.clone();
        let id = self
            .work(move |file| {
                file.append(&rest, true)?;
                file.name(&blobs)
            })
            .await?;
        Ok((id, self.taken))
    }

    async fn work<T: Send + 'static>(
        &mut self,
        task: impl FnOnce(&mut Unfinished) -> Result<T, BlobError> + Send + 'static,
    ) -> Result<T, BlobError> {
        // After an error the file is gone, and with it the writer's use.
        let mut file = self.file.take().ok_or(BlobError::NotFound)?;
        let (file, result) = blocking(move || {
            let result = task(&mut file)?;
            Ok((file, result))
        })
        .await?;
        self.file = Some(file);
        Ok(result)
    }
}

impl Unfinished {
    /// Seals and writes whole chunks; with `last`, what is left too, be it nothing.
    fn append(&mut self, plaintext: &[u8], last: bool) -> Result<(), BlobError> {
        self.hash.update(plaintext);
        let count = plaintext.len().div_ceil(CHUNK).max(usize::from(last));
        let mut sealed = Vec::with_capacity(plaintext.len() + count * 16);
        for index in 0..count {
            let chunk = &plaintext[index * CHUNK..plaintext.len().min((index + 1) * CHUNK)];
            let is_last = last && index + 1 == count;
            sealed.extend(self.header.seal(self.key.blobs(), self.number, is_last, chunk)?);
            self.number = self.number.checked_add(1).ok_or(BlobError::TooLarge(u64::from(u32::MAX) * CHUNK as u64))?;
        }
        self.file.write_all(&sealed).map_err(|error| BlobError::io(WHAT, error))
    }

    /// Makes the file durable under its name.
    fn name(&mut self, blobs: &Blobs) -> Result<BlobId, BlobError> {
        let hash = self.hash.clone().finalize();
        let id = BlobId(seal::mac(self.key.blobs(), &[b"name", &hash]));
        let path = blobs.path(id);
        let wrong = |error| BlobError::io(WHAT, error);
        self.file.sync_all().map_err(wrong)?;
        let folder = path.parent().unwrap_or(blobs.root());
        if !folder.exists() {
            make_folder(folder)?;
        }
        fs::rename(&self.path, &path).map_err(wrong)?;
        self.renamed = true;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(wrong)?;
        Ok(id)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.renamed {
            // What stays behind is removed at the next start.
            let _removed = fs::remove_file(&self.path);
        }
    }
}
