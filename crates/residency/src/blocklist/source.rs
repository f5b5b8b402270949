//! What a part of a register is read from: a stream of bytes, packed or plain, bounded in size.

use std::{
    cell::Cell,
    fmt,
    io::{self, BufRead, BufReader, Read},
};

use flate2::bufread::MultiGzDecoder;

use super::problem::{Fault, excerpt};

/// Bytes that are read at once.
const BUFFER: usize = 256 * 1_024;
/// What a register unpacks to at most, as a multiple of what it is: those that are known to four to thirty times. It counts only beyond so many
/// bytes.
const MOST_RATIO: u64 = 250;
const RATIO_FROM: u64 = 64 << 20;

/// There is more than may be read.
#[derive(Debug)]
struct TooLarge(u64);

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {} bytes", self.0)
    }
}

impl std::error::Error for TooLarge {}

/// It unpacks to too much.
#[derive(Debug)]
struct Bomb;

impl fmt::Display for Bomb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {MOST_RATIO} times what it is")
    }
}

impl std::error::Error for Bomb {}

/// One piece of XML is longer than it may be.
#[derive(Debug)]
pub(crate) struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a piece is too long")
    }
}

impl std::error::Error for TooLong {}

/// What a failure to read means.
pub(crate) fn unreadable(error: &io::Error) -> Fault {
    let inner = error.get_ref();
    if let Some(TooLarge(limit)) = inner.and_then(|inner| inner.downcast_ref()) {
        return Fault::TooLarge(*limit);
    }
    if inner.and_then(|inner| inner.downcast_ref()).is_some_and(|TooLong| true) {
        return Fault::TooLong(1 << 20);
    }
    if inner.and_then(|inner| inner.downcast_ref()).is_some_and(|Bomb| true) {
        return Fault::Bomb(MOST_RATIO);
    }
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return Fault::Truncated("the packed file is cut off");
    }
    Fault::Unreadable(excerpt(&error.to_string(), 200))
}

/// A reader that fails beyond a number of bytes.
struct Bounded<R> {
    from: R,
    left: u64,
    limit: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(into)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => self.left = left,
            None => return Err(io::Error::other(TooLarge(self.limit))),
        }
        Ok(read)
    }
}

/// A reader that counts what is read of it.
struct Counted<'c, R> {
    from: R,
    count: &'c Cell<u64>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(into)?;
        self.count.set(self.count.get() + read as u64);
        Ok(read)
    }
}

/// A reader that fails where what it unpacks is out of all proportion to what it is.
struct Proportionate<'c, R> {
    from: R,
    packed: &'c Cell<u64>,
    unpacked: u64,
}

impl<R: Read> Read for Proportionate<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(into)?;
        self.unpacked += read as u64;
        if self.unpacked > RATIO_FROM && self.unpacked / MOST_RATIO > self.packed.get() {
            return Err(io::Error::other(Bomb));
        }
        Ok(read)
    }
}

/// Opens a stream: unpacks gzip, which is known by its first bytes, and hands over a reader that fails after `most` unpacked bytes.
pub(crate) fn open<T>(
    from: &mut dyn Read,
    most: u64,
    read: impl FnOnce(&mut dyn BufRead) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let count = Cell::new(0);
    let mut packed = BufReader::with_capacity(BUFFER, Counted { from, count: &count });
    let start = packed.fill_buf().map_err(|error| unreadable(&error))?;
    match start {
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] | [b'P', b'K', 7, 8, ..] => Err(Fault::Archive("ZIP")),
        [b'7', b'z', 0xbc, ..] => Err(Fault::Archive("7z")),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Err(Fault::Archive("Zstandard")),
        [b'B', b'Z', b'h', ..] => Err(Fault::Archive("bzip2")),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => Err(Fault::Archive("xz")),
        [0x1f, 0x8b, ..] => {
            let unpacked = Proportionate { from: MultiGzDecoder::new(packed), packed: &count, unpacked: 0 };
            read(&mut BufReader::with_capacity(BUFFER, Bounded { from: unpacked, left: most, limit: most }))
        }
        _ => read(&mut BufReader::with_capacity(BUFFER, Bounded { from: packed, left: most, limit: most })),
    }
}
