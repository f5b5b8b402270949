//! The bytes of one file: what the disk holds, and the pages that are only in memory.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// The unit in which unsynced bytes are kept and lost.
const PAGE: usize = 4096;
const PAGE_U64: u64 = 4096;

/// What a power cut does to pages that were written but not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsynced {
    /// None of them reached the disk.
    Lost,
    /// About half of them did, chosen by this seed.
    Torn(u64),
}

/// A file's bytes. The file `place` holds the durable ones.
#[derive(Debug)]
pub(super) struct Content {
    place: PathBuf,
    /// The length that programs see.
    len: u64,
    /// The durable length: that of the file `place`.
    durable_len: u64,
    /// Durable bytes from here on were cut off by a truncation that is not synced: they read as zeros.
    valid: u64,
    pages: BTreeMap<u64, Box<[u8; PAGE]>>,
}

impl Content {
    /// Takes over a file with its bytes, or makes an empty one.
    pub(super) fn open(place: PathBuf) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&place)?;
        let len = file.metadata()?.len();
        Ok(Self { place, len, durable_len: len, valid: len, pages: BTreeMap::new() })
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn place(&self) -> &Path {
        &self.place
    }

    /// Up to `size` bytes from `offset`; fewer at the end of the file.
    pub(super) fn read(&self, offset: u64, size: usize) -> io::Result<Vec<u8>> {
        let size = size.min(usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX));
        let mut bytes = vec![0; size];
        let durable = usize::try_from(self.valid.saturating_sub(offset)).unwrap_or(usize::MAX).min(size);
        if durable > 0 {
            File::open(&self.place)?.read_exact_at(&mut bytes[..durable], offset)?;
        }
        for (at, page, within) in pieces(offset, size) {
            if let Some(kept) = self.pages.get(&page) {
                let (start, end) = within;
                bytes[at..at + end - start].copy_from_slice(&kept[start..end]);
            }
        }
        Ok(bytes)
    }

    /// Writes into memory only.
    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        for (at, page, (start, end)) in pieces(offset, bytes.len()) {
            if !self.pages.contains_key(&page) {
                let mut whole = Box::new([0; PAGE]);
                if end - start < PAGE {
                    let before = self.read(page * PAGE_U64, PAGE)?;
                    whole[..before.len()].copy_from_slice(&before);
                }
                self.pages.insert(page, whole);
            }
            if let Some(kept) = self.pages.get_mut(&page) {
                kept[start..end].copy_from_slice(&bytes[at..at + end - start]);
            }
        }
        self.len = self.len.max(offset + bytes.len() as u64);
        Ok(())
    }

    /// Sets the length, in memory only.
    pub(super) fn truncate(&mut self, len: u64) {
        self.valid = self.valid.min(len);
        self.pages.retain(|page, _| page * PAGE_U64 < len);
        // What a page holds beyond the end must not come back when the file grows again.
        if let Some(last) = self.pages.get_mut(&(len / PAGE_U64)) {
            last[usize::try_from(len % PAGE_U64).unwrap_or(0)..].fill(0);
        }
        self.len = len;
    }

    /// Makes everything durable.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(&self.place)?;
        if self.valid < self.durable_len {
            file.set_len(self.valid)?;
        }
        for (page, bytes) in &self.pages {
            let end = usize::try_from(self.len - page * PAGE_U64).unwrap_or(PAGE).min(PAGE);
            file.write_all_at(&bytes[..end], page * PAGE_U64)?;
        }
        file.set_len(self.len)?;
        self.pages.clear();
        self.durable_len = self.len;
        self.valid = self.len;
        Ok(())
    }

    /// Forgets what is not durable; `coin` says of each unsynced page whether it reached the disk all the same.
    pub(super) fn lose(&mut self, mut coin: impl FnMut() -> bool) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(&self.place)?;
        for (page, bytes) in std::mem::take(&mut self.pages) {
            if coin() {
                let end = usize::try_from(self.len - page * PAGE_U64).unwrap_or(PAGE).min(PAGE);
                file.write_all_at(&bytes[..end], page * PAGE_U64)?;
            }
        }
        self.durable_len = file.metadata()?.len();
        self.len = self.durable_len;
        self.valid = self.durable_len;
        Ok(())
    }
}

/// Cuts a range into pages: where in the range, which page, and from where to where within it.
fn pieces(offset: u64, size: usize) -> impl Iterator<Item = (usize, u64, (usize, usize))> {
    let mut at = 0;
    std::iter::from_fn(move || {
        if at >= size {
            return None;
        }
        let position = offset + at as u64;
        let start = usize::try_from(position % PAGE_U64).unwrap_or(0);
        let end = PAGE.min(start + size - at);
        let piece = (at, position / PAGE_U64, (start, end));
        at += end - start;
        Some(piece)
    })
}

/// A coin that falls the same way for the same seed.
pub(super) fn coin(unsynced: Unsynced) -> impl FnMut() -> bool {
    let mut state = match unsynced {
        Unsynced::Lost => None,
        Unsynced::Torn(seed) => Some(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
    };
    move || {
        let Some(state) = &mut state else { return false };
        // xorshift64: enough to choose pages.
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        *state >> 63 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content() -> (tempfile::TempDir, Content) {
        let folder = tempfile::tempdir().unwrap();
        let content = Content::open(folder.path().join("file")).unwrap();
        (folder, content)
    }

    #[test]
    fn what_was_synced_stays_and_what_was_not_goes() {
        let (_folder, mut content) = content();
        content.write(0, &[1; 5000]).unwrap();
        content.sync().unwrap();
        content.write(4000, &[2; 5000]).unwrap();
        assert_eq!(content.read(3999, 3).unwrap(), [1, 2, 2]);
        assert_eq!(content.len(), 9000);
        content.lose(coin(Unsynced::Lost)).unwrap();
        assert_eq!(content.read(0, 10_000).unwrap(), [1; 5000]);
    }

    #[test]
    fn a_truncation_is_seen_at_once_and_durable_when_synced() {
        let (_folder, mut content) = content();
        content.write(0, &[1; 6000]).unwrap();
        content.sync().unwrap();
        content.truncate(10);
        content.truncate(20);
        assert_eq!(content.read(8, 100).unwrap(), [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        content.write(25, &[3]).unwrap();
        assert_eq!(content.read(9, 100).unwrap(), [&[1][..], &[0; 15], &[3]].concat());
        let mut other = Content::open(content.place().to_owned()).unwrap();
        assert_eq!(other.len(), 6000);
        content.sync().unwrap();
        other = Content::open(content.place().to_owned()).unwrap();
        assert_eq!(other.read(9, 100).unwrap(), [&[1][..], &[0; 15], &[3]].concat());
    }

    #[test]
    fn a_torn_write_leaves_some_pages() {
        let (_folder, mut content) = content();
        content.write(0, &vec![1; PAGE * 64]).unwrap();
        content.sync().unwrap();
        content.write(0, &vec![2; PAGE * 64]).unwrap();
        content.lose(coin(Unsynced::Torn(7))).unwrap();
        let bytes = content.read(0, PAGE * 64).unwrap();
        let survived = bytes.chunks(PAGE).filter(|page| page[0] == 2).count();
        assert!(bytes.chunks(PAGE).all(|page| page.iter().all(|byte| *byte == page[0])));
        assert!((8..56).contains(&survived), "{survived} of 64 pages survived");
    }
}
