//! What is wrong with a register: where, and why. A register with a problem is not whole, and so clears nobody's listing.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where something stands in a part of a register.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The line, from 1.
    pub line: u64,
    /// Where the line, or in XML the element, begins, in bytes from 0: of the unpacked file, in XML of its text as UTF-8.
    pub byte: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, byte {}", self.line, self.byte)
    }
}

/// Why a part of a register cannot be used as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A line, or an element of XML, is too long.
    #[error("it is longer than {0} bytes; the rest of it was passed over")]
    TooLong(usize),
    /// A line has too few fields.
    #[error("the line has {found} fields instead of {expected}")]
    Fields {
        /// How many there are.
        found: usize,
        /// How many there must be.
        expected: usize,
    },
    /// A quote is opened and not closed.
    #[error("a quote is opened and not closed")]
    OpenQuote,
    /// Bytes that no text of this kind has.
    #[error("there are NUL bytes: this is no text, or one in UTF-16; convert it to UTF-8 first")]
    NotText,
    /// The first line does not say what it must.
    #[error("the first line should be `{expected}`, and is `{found}`")]
    Header {
        /// What it must be.
        expected: &'static str,
        /// What it is, shortened.
        found: String,
    },
    /// A time that is none.
    #[error("`{0}` is no time")]
    Time(String),
    /// It is not XML, or not as the layout has it.
    #[error("this is not the XML of a register: {0}")]
    Xml(String),
    /// It declares entities or a document type.
    #[error("it has a document type or entities of its own; a register has none, and they are not expanded")]
    DocumentType,
    /// Elements stand too deep in each other.
    #[error("elements stand more than {0} deep in each other")]
    Deep(usize),
    /// It ends before its end.
    #[error("it ends in the middle: {0}")]
    Truncated(&'static str),
    /// There is more of it than is read.
    #[error("it is larger than {0} bytes when it is unpacked; the rest was not read")]
    TooLarge(u64),
    /// It unpacks to so much more than it is that it can be no register.
    #[error("it unpacks to more than {0} times what it is, as no register does; the rest was not read")]
    Bomb(u64),
    /// It cannot be unpacked or read.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// There is nothing in it.
    #[error("there is no entry in it")]
    Empty,
    /// A file of a kind that is not read.
    #[error("this is a {0} file; unpack it first, or give the gzip or the plain one")]
    Archive(&'static str),
}

/// A fault with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// Why.
    pub fault: Fault,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.fault)
    }
}

/// Problems of a part: the first ones, and how many there are in all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    /// The first [`Problems::SHOWN`].
    pub first: Vec<Problem>,
    /// All.
    pub count: u64,
}

impl Problems {
    /// How many are kept.
    pub const SHOWN: usize = 20;

    /// Adds one.
    pub fn push(&mut self, problem: Problem) {
        self.count += 1;
        if self.first.len() < Self::SHOWN {
            self.first.push(problem);
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// The beginning of a text that a stranger wrote, fit to be shown: no control characters, at most `most` characters.
pub(crate) fn excerpt(text: &str, most: usize) -> String {
    let mut shown: String =
        text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(most).collect();
    if text.chars().nth(most).is_some() {
        shown.push('…');
    }
    shown
}
