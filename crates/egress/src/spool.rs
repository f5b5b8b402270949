//! The body of a large answer: in memory while it is small, else in a file without a name, which is gone with whoever holds it.
//!
//! What a room of tens of thousands of members is told with is a hundred times what one needs to know of it at a time.

use std::{
    fs::File,
    io::{self, Read, Write as _},
    os::unix::fs::FileExt as _,
    path::Path,
    sync::Arc,
};

use bytes::{Bytes, BytesMut};

/// Bytes that stay in memory, and are written at once.
const BLOCK: usize = 512 * 1024;

/// A body that is here. Cheap to clone; all clones are one body.
#[derive(Clone, Debug)]
pub struct Spool(Arc<Kept>);

#[derive(Debug)]
enum Kept {
    Memory(Bytes),
    File(File, u64),
}

impl Spool {
    /// Its length in bytes.
    pub fn length(&self) -> u64 {
        match &*self.0 {
            Kept::Memory(bytes) => bytes.len() as u64,
            Kept::File(_, length) => *length,
        }
    }

    /// So many bytes from a place on.
    pub fn part(&self, from: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut part = vec![0; length];
        self.fill(from, &mut part)?;
        Ok(part)
    }

    /// All of it, in memory.
    pub fn whole(&self) -> io::Result<Bytes> {
        match &*self.0 {
            Kept::Memory(bytes) => Ok(bytes.clone()),
            Kept::File(_, length) => {
                Ok(self.part(0, usize::try_from(*length).map_err(|_| io::ErrorKind::FileTooLarge)?)?.into())
            }
        }
    }

    /// Reads it from its beginning.
    pub fn reader(&self) -> impl Read + Send + 'static {
        Reader { spool: self.clone(), at: 0 }
    }

    fn fill(&self, from: u64, part: &mut [u8]) -> io::Result<()> {
        match &*self.0 {
            Kept::File(file, _) => file.read_exact_at(part, from),
            Kept::Memory(bytes) => {
                let from = usize::try_from(from).map_err(|_| io::ErrorKind::UnexpectedEof)?;
                let found = from.checked_add(part.len()).and_then(|end| bytes.get(from..end));
                part.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
        }
    }
}

impl From<Bytes> for Spool {
    fn from(bytes: Bytes) -> Self {
        Self(Arc::new(Kept::Memory(bytes)))
    }
}

struct Reader {
    spool: Spool,
    at: u64,
}

impl Read for Reader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.spool.length().saturating_sub(self.at);
        let count = into.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.spool.fill(self.at, &mut into[..count])?;
        self.at += count as u64;
        Ok(count)
    }
}

/// A body on its way.
#[derive(Debug, Default)]
pub(crate) struct Spooling {
    block: BytesMut,
    file: Option<File>,
    written: u64,
}

impl Spooling {
    /// Takes the next piece. What does not stay in memory goes into a file in `folder`.
    pub(crate) async fn push(&mut self, piece: &Bytes, folder: &Path) -> io::Result<()> {
        if self.block.len() + piece.len() > BLOCK {
            self.write(folder).await?;
        }
        self.block.extend_from_slice(piece);
        Ok(())
    }

    /// All of it has come.
    pub(crate) async fn end(mut self, folder: &Path) -> io::Result<Spool> {
        if self.file.is_some() {
            self.write(folder).await?;
        }
        Ok(match self.file {
            Some(file) => Spool(Arc::new(Kept::File(file, self.written))),
            None => Spool::from(self.block.freeze()),
        })
    }

    /// Where a disk may make one wait.
    async fn write(&mut self, folder: &Path) -> io::Result<()> {
        let (file, block, folder) = (self.file.take(), self.block.split(), folder.to_owned());
        self.written += block.len() as u64;
        let writing = tokio::task::spawn_blocking(move || {
            let mut file = match file {
                Some(file) => file,
                None => tempfile::tempfile_in(folder)?,
            };
            file.write_all(&block)?;
            Ok::<_, io::Error>(file)
        });
        self.file = Some(writing.await.map_err(io::Error::other)??);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_small_and_what_is_large_is_read_alike() {
        let folder = tempfile::tempdir().unwrap();
        for length in [0, 10, BLOCK, 3 * BLOCK + 7] {
            let text: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
            let mut spooling = Spooling::default();
            for piece in text.chunks(10_000) {
                spooling.push(&Bytes::copy_from_slice(piece), folder.path()).await.unwrap();
            }
            let spool = spooling.end(folder.path()).await.unwrap();
            assert_eq!(matches!(*spool.0, Kept::File(..)), length > BLOCK);
            assert_eq!(spool.length(), length as u64);
            assert_eq!(spool.whole().unwrap(), text);
            let mut read = Vec::new();
            spool.reader().read_to_end(&mut read).unwrap();
            assert_eq!(read, text);
            if length > 9 {
                assert_eq!(spool.part(3, 6).unwrap(), text[3..9]);
            }
            spool.part(length as u64, 1).unwrap_err();
            assert_eq!(folder.path().read_dir().unwrap().count(), 0, "the file has no name");
        }
    }
}
