//! XML as a row of elements, from a reader of any encoding, bounded in depth and in the length of one piece. No document type, no entities
//! but the five that XML has.

use std::io::{self, BufRead, Read};

use encoding_rs::{Decoder, Encoding, UTF_8};
use quick_xml::{
    Reader, XmlVersion,
    events::{BytesRef, BytesStart, Event},
};

use super::{
    problem::{Fault, Place, excerpt},
    source::unreadable,
};

/// Bytes that one tag, text or comment may have.
const LONGEST_PIECE: u64 = 1 << 20;
/// How deep elements may stand in each other.
const DEEPEST: usize = 16;
/// Bytes that are decoded at once.
const CHUNK: usize = 16 * 1_024;

/// What comes next.
pub(crate) enum Node<'a> {
    /// An element begins, at a depth: the root's is 1.
    Open(usize, &'a str, &'a Attributes<'a>),
    /// Text inside of the element. It may come in several parts.
    Text(usize, &'a str),
    /// An element of a depth ends.
    Close(usize),
}

/// The attributes of an element.
pub(crate) struct Attributes<'a>(&'a BytesStart<'a>);

impl Attributes<'_> {
    /// Hands over each attribute with its value.
    pub(crate) fn each(&self, mut each: impl FnMut(&str, &str)) {
        // Without the check for doubles, which costs the square of their number.
        for attribute in self.0.attributes().with_checks(false).flatten() {
            if let Ok(value) = attribute.normalized_value(XmlVersion::default()) {
                each(attribute.key.as_ref(), &value);
            }
        }
    }

    /// The value of an attribute; empty if there is none.
    pub(crate) fn get(&self, name: &str) -> String {
        let mut found = String::new();
        self.each(|key, value| {
            if key == name {
                value.clone_into(&mut found);
            }
        });
        found
    }
}

/// Reads all of it. An error ends it: where, and why.
pub(crate) fn walk(
    from: &mut dyn BufRead,
    usual: &'static Encoding,
    mut each: impl FnMut(Place, Node<'_>) -> Result<(), Fault>,
) -> Result<(), (Place, Fault)> {
    let mut reader = Reader::from_reader(Text::new(from, usual));
    reader.config_mut().check_end_names = true;
    let mut buffer = Vec::new();
    let mut depth = 0_usize;
    let mut was_opened = false;
    loop {
        buffer.clear();
        reader.get_mut().piece = 0;
        let place = Place { line: reader.get_ref().line, byte: reader.buffer_position() };
        let event = match reader.read_event_into(&mut buffer) {
            Ok(event) => event,
            Err(quick_xml::Error::Io(error)) => return Err((place, unreadable(&error))),
            Err(error) => return Err((place, wrong(&error, depth))),
        };
        let told = match event {
            Event::Start(start) => {
                depth += 1;
                was_opened = true;
                if depth > DEEPEST { Err(Fault::Deep(DEEPEST)) } else { open(place, depth, &start, &mut each) }
            }
            Event::Empty(start) => {
                was_opened = true;
                open(place, depth + 1, &start, &mut each).and_then(|()| each(place, Node::Close(depth + 1)))
            }
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                each(place, Node::Close(depth + 1))
            }
            Event::Text(text) => each(place, Node::Text(depth, &text)),
            Event::CData(text) => each(place, Node::Text(depth, &text)),
            Event::GeneralRef(reference) => {
                resolved(&reference).and_then(|letter| each(place, Node::Text(depth, letter.encode_utf8(&mut [0; 4]))))
            }
            Event::DocType(_) => Err(Fault::DocumentType),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => Ok(()),
            Event::Eof if depth > 0 => Err(Fault::Truncated("an element is not closed")),
            Event::Eof if !was_opened => Err(Fault::Xml("there is no element".to_owned())),
            Event::Eof => return Ok(()),
        };
        told.map_err(|fault| (place, fault))?;
    }
}

fn open(
    place: Place,
    depth: usize,
    start: &BytesStart<'_>,
    each: &mut impl FnMut(Place, Node<'_>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let name = start.local_name();
    each(place, Node::Open(depth, name.as_ref(), &Attributes(start)))
}

/// A letter that stands as `&amp;` or `&#1080;`.
fn resolved(reference: &BytesRef<'_>) -> Result<char, Fault> {
    if reference.is_char_ref() {
        let letter = reference.resolve_char_ref().ok().flatten();
        return letter.ok_or_else(|| Fault::Xml(format!("`&{};` is no letter", excerpt(reference, 40))));
    }
    match &**reference {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        _ => Err(Fault::DocumentType),
    }
}

fn wrong(error: &quick_xml::Error, depth: usize) -> Fault {
    match error {
        quick_xml::Error::Syntax(_) if depth > 0 => {
            Fault::Truncated("a tag, a comment or a CDATA section is not closed")
        }
        other => Fault::Xml(excerpt(&other.to_string(), 200)),
    }
}

/// A reader's bytes as UTF-8, with the line that is reached and the length of the piece in work.
struct Text<'r> {
    from: &'r mut dyn BufRead,
    usual: &'static Encoding,
    decoder: Option<Decoder>,
    decoded: Vec<u8>,
    at: usize,
    end: usize,
    line: u64,
    piece: u64,
    is_over: bool,
}

impl<'r> Text<'r> {
    fn new(from: &'r mut dyn BufRead, usual: &'static Encoding) -> Self {
        Self { from, usual, decoder: None, decoded: Vec::new(), at: 0, end: 0, line: 1, piece: 0, is_over: false }
    }

    /// Decodes the next chunk, which may be of letters that are not complete and so give nothing.
    fn refill(&mut self) -> io::Result<()> {
        let chunk = self.from.fill_buf()?;
        let usual = self.usual;
        let decoder = self.decoder.get_or_insert_with(|| declared(chunk).unwrap_or(usual).new_decoder());
        let chunk = &chunk[..chunk.len().min(CHUNK)];
        self.is_over = chunk.is_empty();
        let room = decoder.max_utf8_buffer_length(chunk.len()).unwrap_or(4 * CHUNK);
        if self.decoded.len() < room {
            self.decoded.resize(room, 0);
        }
        let (_, read, written, _) = decoder.decode_to_utf8(chunk, &mut self.decoded, self.is_over);
        (self.at, self.end) = (0, written);
        self.from.consume(read);
        Ok(())
    }
}

impl Read for Text<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut available = self.fill_buf()?;
        let read = available.read(into)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Text<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.at == self.end && !self.is_over {
            match self.refill() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => other?,
            }
        }
        if self.piece > LONGEST_PIECE {
            return Err(io::Error::other(super::source::TooLong));
        }
        Ok(&self.decoded[self.at..self.end])
    }

    fn consume(&mut self, amount: usize) {
        let end = (self.at + amount).min(self.end);
        self.line += memchr::memchr_iter(b'\n', &self.decoded[self.at..end]).count() as u64;
        self.piece += (end - self.at) as u64;
        self.at = end;
    }
}

/// The encoding that the beginning of a file tells: by its mark, or by `encoding="…"` in its declaration.
fn declared(start: &[u8]) -> Option<&'static Encoding> {
    if let Some((encoding, _)) = Encoding::for_bom(start) {
        return Some(encoding);
    }
    let start = start.get(..200).unwrap_or(start);
    let declaration = start.get(..memchr::memmem::find(start, b"?>")?)?;
    let at = memchr::memmem::find(declaration, b"encoding")?;
    let mut quoted = declaration.get(at..)?.split(|byte| matches!(byte, b'"' | b'\''));
    let found = Encoding::for_label(quoted.nth(1)?)?;
    // A declaration that could be read byte by byte is not in UTF-16, whatever it says.
    Some(if found.is_ascii_compatible() { found } else { UTF_8 })
}
