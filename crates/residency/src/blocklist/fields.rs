//! A line of separated fields, with quotes or without (RFC 4180, with any separator).

use std::ops::Range;

/// Splits lines; its buffers are used again.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    unquoted: Vec<u8>,
    ranges: Vec<Range<usize>>,
}

/// The fields of one line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Split<'a> {
    text: &'a [u8],
    ranges: &'a [Range<usize>],
    /// Whether a quote was opened and not closed: then the quote is taken as a letter.
    pub(crate) is_open: bool,
}

impl Split<'_> {
    pub(crate) fn len(&self) -> usize {
        self.ranges.len()
    }

    /// A field; empty if there is none.
    pub(crate) fn get(&self, index: usize) -> &[u8] {
        self.ranges.get(index).and_then(|range| self.text.get(range.clone())).unwrap_or_default()
    }

    /// Several fields with what stands between them.
    pub(crate) fn between(&self, first: usize, last: usize) -> &[u8] {
        match (self.ranges.get(first), self.ranges.get(last)) {
            (Some(first), Some(last)) => self.text.get(first.start..last.end).unwrap_or_default(),
            _ => b"",
        }
    }
}

impl Fields {
    /// The fields of a line.
    pub(crate) fn split<'a>(&'a mut self, line: &'a [u8], separator: u8) -> Split<'a> {
        self.ranges.clear();
        if memchr::memchr(b'"', line).is_none() {
            let mut start = 0;
            for end in memchr::memchr_iter(separator, line).chain([line.len()]) {
                self.ranges.push(start..end);
                start = end + 1;
            }
            return Split { text: line, ranges: &self.ranges, is_open: false };
        }
        self.unquoted.clear();
        let mut is_open = false;
        let mut rest = Some(line);
        while let Some(field) = rest {
            let start = self.unquoted.len();
            let quoted = field.strip_prefix(b"\"").map(|quoted| quoted_field(quoted, separator, &mut self.unquoted));
            rest = match quoted {
                Some(Quoted::Before(after)) => Some(after),
                Some(Quoted::Last) => None,
                unquoted => {
                    is_open |= unquoted.is_some();
                    self.unquoted.truncate(start);
                    let end = memchr::memchr(separator, field).unwrap_or(field.len());
                    self.unquoted.extend_from_slice(&field[..end]);
                    field.get(end + 1..)
                }
            };
            self.ranges.push(start..self.unquoted.len());
            self.unquoted.push(separator);
        }
        Split { text: &self.unquoted, ranges: &self.ranges, is_open }
    }
}

/// What comes after a field in quotes.
enum Quoted<'a> {
    /// More of the line.
    Before(&'a [u8]),
    /// Nothing.
    Last,
    /// The quote does not end.
    Open,
}

/// Adds what stands in quotes.
fn quoted_field<'a>(mut quoted: &'a [u8], separator: u8, into: &mut Vec<u8>) -> Quoted<'a> {
    loop {
        let Some(end) = memchr::memchr(b'"', quoted) else { return Quoted::Open };
        into.extend_from_slice(&quoted[..end]);
        quoted = &quoted[end + 1..];
        if let Some(more) = quoted.strip_prefix(b"\"") {
            into.push(b'"');
            quoted = more;
            continue;
        }
        // What stands behind the quote belongs to the field, as most readers have it.
        let end = memchr::memchr(separator, quoted);
        into.extend_from_slice(&quoted[..end.unwrap_or(quoted.len())]);
        return end.and_then(|end| quoted.get(end + 1..)).map_or(Quoted::Last, Quoted::Before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> (Vec<String>, bool) {
        let mut fields = Fields::default();
        let split = fields.split(line.as_bytes(), b';');
        let all = (0..split.len()).map(|index| String::from_utf8(split.get(index).to_vec()).unwrap()).collect();
        (all, split.is_open)
    }

    #[test]
    fn fields_with_and_without_quotes() {
        for (line, expected) in [
            ("a;b;", vec!["a", "b", ""]),
            ("", vec![""]),
            ("\"a;b\";c", vec!["a;b", "c"]),
            ("\"say \"\"x\"\"\";c", vec!["say \"x\"", "c"]),
            ("a\"b;c", vec!["a\"b", "c"]),
            ("\"\";\"\"", vec!["", ""]),
            ("\"a\"b;c", vec!["ab", "c"]),
            ("x;\"\"", vec!["x", ""]),
        ] {
            assert_eq!(split(line), (expected.into_iter().map(str::to_owned).collect(), false), "{line}");
        }
        assert_eq!(split("\"a;b"), (vec!["\"a".to_owned(), "b".to_owned()], true));
        let mut fields = Fields::default();
        assert_eq!(fields.split(b"a;b;c;d", b';').between(1, 2), b"b;c");
        assert_eq!(fields.split(b"\"a\";b;c;d", b';').between(1, 2), b"b;c");
    }
}
