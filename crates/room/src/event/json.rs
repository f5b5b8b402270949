//! JSON of other servers: read once, keys in order, written again as canonical JSON.
//!
//! Room versions 1 to 5 know no canonical numbers: what other servers sign there is what Python writes of the number that it has read.
//! Of a key that stands there twice the last value counts, as everywhere else; the form that is hashed and kept has it once.

use std::{borrow::Cow, io::Write};

use domicile_core::limits;

mod reader;

/// Deepest nesting that is read: a content as deep as one's own events may have, within the event.
const DEPTH: usize = limits::JSON_DEPTH + 1;
/// The largest integer of canonical JSON (appendices, *Canonical JSON*).
const LARGEST: i64 = (1 << 53) - 1;

/// A value that borrows its texts where they have no escapes.
#[derive(Clone, Debug, PartialEq)]
pub enum Json<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// An integer.
    Integer(i64),
    /// Another number, as it is written.
    Number(Cow<'a, str>),
    /// A text.
    String(Cow<'a, str>),
    /// A list.
    Array(Vec<Json<'a>>),
    /// An object.
    Object(Object<'a>),
}

/// An object: each key once, in canonical order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

/// A whole text of JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct Document<'a> {
    /// The value.
    pub value: Json<'a>,
    /// Whether all of its numbers are integers that canonical JSON knows.
    pub is_canonical: bool,
}

/// Bytes that are no JSON, or more than is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not JSON.
    #[error("no JSON from byte {0} on")]
    Syntax(usize),
    /// Nested too deeply.
    #[error("nested deeper than {DEPTH} levels")]
    TooDeep,
}

/// Reads a text.
pub fn read(bytes: &[u8]) -> Result<Document<'_>, JsonError> {
    let text = std::str::from_utf8(bytes).map_err(|error| JsonError::Syntax(error.valid_up_to()))?;
    reader::Reader::new(text).document()
}

impl<'a> Object<'a> {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Json<'a>> {
        self.0.binary_search_by(|(known, _)| known.as_ref().cmp(key)).ok().map(|index| &self.0[index].1)
    }

    /// Puts a value in place of the one there.
    pub fn insert(&mut self, key: impl Into<Cow<'a, str>>, value: Json<'a>) {
        let key = key.into();
        match self.0.binary_search_by(|(known, _)| known.cmp(&key)) {
            Ok(index) => self.0[index].1 = value,
            Err(index) => self.0.insert(index, (key, value)),
        }
    }

    /// Takes a value out.
    pub fn remove(&mut self, key: &str) -> Option<Json<'a>> {
        self.0.binary_search_by(|(known, _)| known.as_ref().cmp(key)).ok().map(|index| self.0.remove(index).1)
    }

    /// Keys and values in canonical order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Json<'a>)> {
        self.0.iter().map(|(key, value)| (key.as_ref(), value))
    }

    /// The text of a key.
    pub fn str(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_str()
    }

    /// The object of a key.
    pub fn object(&self, key: &str) -> Option<&Object<'a>> {
        self.get(key)?.as_object()
    }

    /// Writes it as canonical JSON, without the keys that `keep` does not want.
    pub fn write_some(&self, out: &mut Vec<u8>, mut keep: impl FnMut(&str) -> bool) {
        out.push(b'{');
        let mut first = true;
        for (key, value) in self.iter().filter(|(key, _)| keep(key)) {
            write_key(out, key, &mut first);
            value.write(out);
        }
        out.push(b'}');
    }
}

impl<'a> Json<'a> {
    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The object, if it is one.
    pub fn as_object(&self) -> Option<&Object<'a>> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The list, if it is one.
    pub fn as_array(&self) -> Option<&[Json<'a>]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// Writes it as canonical JSON.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(true) => out.extend_from_slice(b"true"),
            Self::Bool(false) => out.extend_from_slice(b"false"),
            // Writing to memory does not fail.
            Self::Integer(number) => drop(write!(out, "{number}")),
            Self::Number(text) => out.extend_from_slice(text.as_bytes()),
            Self::String(text) => write_string(out, text),
            Self::Array(items) => {
                out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    item.write(out);
                }
                out.push(b']');
            }
            Self::Object(object) => object.write_some(out, |_| true),
        }
    }
}

/// Writes a key with its colon, and the comma before it.
pub(super) fn write_key(out: &mut Vec<u8>, key: &str, first: &mut bool) {
    if !std::mem::take(first) {
        out.push(b',');
    }
    write_string(out, key);
    out.push(b':');
}

/// A string in its shortest form, which is the canonical one.
pub(super) fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(index) = rest.iter().position(|byte| *byte < 0x20 || *byte == b'"' || *byte == b'\\') {
        out.extend_from_slice(&rest[..index]);
        let short = match rest[index] {
            b'"' => b'"',
            b'\\' => b'\\',
            0x08 => b'b',
            0x0c => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            other => {
                drop(write!(out, "\\u{other:04x}"));
                0
            }
        };
        if short != 0 {
            out.extend_from_slice(&[b'\\', short]);
        }
        rest = &rest[index + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

#[cfg(test)]
#[path = "json/tests.rs"]
mod tests;
