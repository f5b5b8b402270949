//! Blobs in a folder: `ab/cdef…` by name, and `new/` for what is being written.

use std::{
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{BlobError, BlobId, BlobReader, BlobWriter, blocking};
use crate::{StoreError, UserKey};

/// A stored blob, as the folder tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its name.
    pub id: BlobId,
    /// Bytes on disk.
    pub bytes: u64,
    /// How long ago it was written.
    pub age: Duration,
}

/// The blobs of this cell. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Blobs {
    root: Arc<PathBuf>,
}

impl Blobs {
    /// Opens the folder, makes it where there is none, and removes what was not finished when the server ended.
    pub async fn open(root: PathBuf) -> Result<Self, BlobError> {
        let blobs = Self { root: Arc::new(root) };
        let folder = blobs.unfinished();
        blocking(move || {
            if folder.exists() {
                fs::remove_dir_all(&folder).map_err(|error| BlobError::io("cannot remove unfinished files", error))?;
            }
            make_folder(&folder)
        })
        .await?;
        Ok(blobs)
    }

    /// Begins a blob of at most `limit` bytes that only `key` opens.
    pub async fn writer(&self, key: &UserKey, limit: u64) -> Result<BlobWriter, BlobError> {
        BlobWriter::begin(self.clone(), key.clone(), limit).await
    }

    /// Opens a blob for reading, from its beginning to its end.
    pub async fn reader(&self, key: &UserKey, id: BlobId) -> Result<BlobReader, BlobError> {
        BlobReader::open(self.path(id), key.clone()).await
    }

    /// A part of a blob as it lies on the disk, sealed: for another cell that has its key. It begins after some bytes, has at most `most`, and fewer at
    /// the blob's end. Nothing if there is none.
    pub async fn sealed_part(&self, id: BlobId, after: u64, most: u64) -> Result<Option<Vec<u8>>, BlobError> {
        let path = self.path(id);
        blocking(move || {
            let wrong = |error| BlobError::io("cannot read a stored file", error);
            let mut file = match File::open(path) {
                Ok(file) => file,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(wrong(error)),
            };
            let mut bytes = Vec::new();
            file.seek(SeekFrom::Start(after)).map_err(wrong)?;
            file.take(most).read_to_end(&mut bytes).map_err(wrong)?;
            Ok(Some(bytes))
        })
        .await
    }

    /// Writes a part of a blob that another cell sealed, in its order from the first on, which is after no bytes.
    pub async fn put_visiting_part(&self, id: BlobId, after: u64, sealed: Vec<u8>) -> Result<(), BlobError> {
        let path = self.visit(id);
        blocking(move || {
            let wrong = |error| BlobError::io("cannot write a file of another cell", error);
            let mut options = File::options();
            options.write(true).create(true).truncate(after == 0);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(path).map_err(wrong)?;
            file.seek(SeekFrom::Start(after)).map_err(wrong)?;
            file.write_all(&sealed).map_err(wrong)
        })
        .await
    }

    /// Reads a blob that another cell sealed, with its key, when all of it is here. It lies on the disk, sealed, only until it is open.
    pub async fn visiting(&self, id: BlobId, key: &UserKey) -> Result<BlobReader, BlobError> {
        let path = self.visit(id);
        let reader = BlobReader::open(path.clone(), key.clone()).await;
        blocking(move || fs::remove_file(path).map_err(|error| BlobError::io("cannot remove a file", error))).await?;
        reader
    }

    fn visit(&self, id: BlobId) -> PathBuf {
        self.unfinished().join(format!("visit-{id}"))
    }

    /// Removes a blob. It is no error if there is none.
    pub async fn remove(&self, id: BlobId) -> Result<(), BlobError> {
        let path = self.path(id);
        blocking(move || match fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(BlobError::io("cannot remove a stored file", error))
            }
            _ => Ok(()),
        })
        .await
    }

    /// The blobs whose names begin with `first`: to find, one 256th at a time, those that nothing refers to.
    pub async fn beginning_with(&self, first: u8) -> Result<Vec<Stored>, BlobError> {
        let folder = self.root.join(format!("{first:02x}"));
        blocking(move || list(&folder, first)).await
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn unfinished(&self) -> PathBuf {
        self.root.join("new")
    }

    pub(super) fn path(&self, id: BlobId) -> PathBuf {
        let name = id.to_string();
        self.root.join(&name[..2]).join(&name[2..])
    }
}

fn list(folder: &Path, first: u8) -> Result<Vec<Stored>, BlobError> {
    let wrong = |error| BlobError::io("cannot list stored files", error);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(wrong(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(wrong)?;
        let name = format!("{first:02x}{}", entry.file_name().to_string_lossy());
        // What is no blob's name is not ours.
        let Some(id) = BlobId::from_hex(&name) else { continue };
        match entry.metadata() {
            Ok(file) => {
                let age = file.modified().ok().and_then(|time| time.elapsed().ok()).unwrap_or_default();
                found.push(Stored { id, bytes: file.len(), age });
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(wrong(error)),
        }
    }
    Ok(found)
}

/// Makes a folder, and makes sure that its name survives a power cut.
pub(super) fn make_folder(folder: &Path) -> Result<(), BlobError> {
    let made = || -> std::io::Result<()> {
        fs::create_dir_all(folder)?;
        match folder.parent() {
            Some(parent) => File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    };
    made().map_err(|source| {
        BlobError::Store(StoreError::File { what: format!("cannot make the folder {}", folder.display()), source })
    })
}
