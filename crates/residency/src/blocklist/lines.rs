//! Lines of a reader, one at a time, each bounded in length.

use std::io::{self, BufRead};

use super::problem::Place;

/// Bytes that one line may have.
pub(crate) const LONGEST_LINE: usize = 1 << 20;

/// A line that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    /// Where it begins.
    pub(crate) place: Place,
    /// Its bytes without the line's end; the beginning, if it is too long.
    pub(crate) text: &'a [u8],
    /// Whether more came than a line may have.
    pub(crate) is_cut: bool,
    /// Whether it ends with a line's end. Only the last line of a file may not.
    pub(crate) is_ended: bool,
}

/// Reads lines.
pub(crate) struct Lines<'r> {
    reader: &'r mut dyn BufRead,
    line: Vec<u8>,
    next: Place,
}

impl<'r> Lines<'r> {
    pub(crate) fn new(reader: &'r mut dyn BufRead) -> Self {
        Self { reader, line: Vec::new(), next: Place { line: 1, byte: 0 } }
    }

    /// Where the next line begins.
    pub(crate) fn place(&self) -> Place {
        self.next
    }

    /// The next line; none at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let (place, mut is_cut, mut is_ended) = (self.next, false, false);
        while !is_ended {
            let chunk = match self.reader.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if chunk.is_empty() {
                break;
            }
            let end = memchr::memchr(b'\n', chunk);
            let piece = &chunk[..end.unwrap_or(chunk.len())];
            let room = LONGEST_LINE - self.line.len();
            self.line.extend_from_slice(piece.get(..room).unwrap_or(piece));
            is_cut |= piece.len() > room;
            is_ended = end.is_some();
            let used = piece.len() + usize::from(is_ended);
            self.next.byte += used as u64;
            self.reader.consume(used);
        }
        if self.next.byte == place.byte {
            return Ok(None);
        }
        self.next.line += 1;
        let text = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        Ok(Some(Line { place, text, is_cut, is_ended }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_all_kinds() {
        let mut text: &[u8] = b"one\r\n\ntwo";
        let mut lines = Lines::new(&mut text);
        let first = lines.next().unwrap().unwrap();
        assert_eq!((first.text, first.place.line, first.is_ended), (&b"one"[..], 1, true));
        assert_eq!(lines.next().unwrap().unwrap().text, b"");
        let last = lines.next().unwrap().unwrap();
        assert_eq!((last.text, last.place, last.is_ended), (&b"two"[..], Place { line: 3, byte: 6 }, false));
        assert_eq!(lines.next().unwrap(), None);
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_and_the_next_is_read() {
        let mut text = vec![b'a'; LONGEST_LINE + 70_000];
        text.extend_from_slice(b"\nb\n");
        let mut reader = io::BufReader::with_capacity(4_096, text.as_slice());
        let mut lines = Lines::new(&mut reader);
        let long = lines.next().unwrap().unwrap();
        assert!(long.is_cut && long.text.len() == LONGEST_LINE);
        let next = lines.next().unwrap().unwrap();
        assert_eq!((next.text, next.is_cut, next.place.line), (&b"b"[..], false, 2));
    }
}
