//! A package of files for one person: a tar inside a file that only the owner of a key can open.

use std::{
    fs::File,
    io::{self, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use domicile_core::rng::Rng;
use sha2::{Digest, Sha256};

use super::{
    BackupError, Recipient,
    age::Encrypt,
    archive::{Temporary, create_private},
};

/// A package that is being filled. Dropped before its end, it leaves no file.
pub struct Package {
    tar: tar::Builder<Encrypt<Hashed<BufWriter<File>>>>,
    unfinished: Temporary,
    path: PathBuf,
    now_ms: i64,
}

/// A finished package.
#[derive(Clone, Debug)]
pub struct Packed {
    /// Bytes of the file.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

impl Package {
    /// Begins a package for the owner of a key. There must be no file of that name.
    pub fn begin(path: &Path, recipient: Recipient, now_ms: i64, rng: &dyn Rng) -> Result<Self, BackupError> {
        if path.exists() {
            return Err(BackupError::Wrong(format!("there is a file {} already", path.display())));
        }
        let mut name = path.as_os_str().to_owned();
        name.push(".part");
        let unfinished = Temporary::at(PathBuf::from(name));
        let out = Hashed::new(BufWriter::with_capacity(256 * 1024, create_private(unfinished.path())?));
        let tar = tar::Builder::new(Encrypt::new(out, &[recipient], rng)?);
        Ok(Self { tar, unfinished, path: path.to_owned(), now_ms })
    }

    /// Adds a file of exactly `size` bytes. What comes short of them is filled up with zeros, so that the rest can be read.
    pub fn add(&mut self, name: &str, size: u64, content: impl Read) -> Result<(), BackupError> {
        let mut header = tar::Header::new_gnu();
        header.set_size(size);
        header.set_mode(0o600);
        header.set_mtime(u64::try_from(self.now_ms / 1000).unwrap_or_default());
        let filled = content.chain(io::repeat(0)).take(size);
        let wrong = |source| BackupError::File { what: format!("cannot write {name} into the package"), source };
        self.tar.append_data(&mut header, name, filled).map_err(wrong)
    }

    /// Ends the package: from now on the file is there under its name.
    pub fn finish(self) -> Result<Packed, BackupError> {
        let wrong = |source| BackupError::path("cannot write", &self.path, source);
        let hashed = self.tar.into_inner().and_then(Encrypt::finish).map_err(wrong)?;
        let packed = Packed { bytes: hashed.bytes, sha256: format!("{:x}", hashed.hash.clone().finalize()) };
        hashed.out.into_inner().map_err(|error| wrong(error.into_error()))?.sync_all().map_err(wrong)?;
        self.unfinished.put(&self.path)?;
        Ok(packed)
    }
}

/// Hashes what goes through.
struct Hashed<W> {
    out: W,
    hash: Sha256,
    bytes: u64,
}

impl<W> Hashed<W> {
    fn new(out: W) -> Self {
        Self { out, hash: Sha256::new(), bytes: 0 }
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.out.write(bytes)?;
        self.hash.update(bytes.get(..length).unwrap_or_default());
        self.bytes += length as u64;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The files of a package by name, opened with a key. For tests, and for who has no other program at hand.
pub fn unpack(path: &Path, identity: &super::Identity) -> Result<Vec<(String, Vec<u8>)>, BackupError> {
    let wrong = |source| BackupError::path("cannot read", path, source);
    let mut archive = tar::Archive::new(super::archive::open(path, identity)?);
    let mut files = Vec::new();
    for entry in archive.entries().map_err(wrong)? {
        let mut entry = entry.map_err(wrong)?;
        let name = entry.path().map_err(wrong)?.display().to_string();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(wrong)?;
        files.push((name, content));
    }
    Ok(files)
}
