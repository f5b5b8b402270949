//! Reading one part of a register: unpacking, its layout, and the search for what is ours, in one pass.

use std::io::{self, Read};

use super::{
    entry::Sink,
    layout::{Format, Head},
    matcher::{Found, Matcher},
    own::Own,
    problem::{Fault, Place},
    source,
};

/// How much of a part is read.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of it when it is unpacked.
    pub unpacked: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { unpacked: 4 << 30 }
    }
}

/// A part that was read.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// Its name, such as `dump-00.csv`.
    pub name: String,
    /// What it says about itself.
    pub head: Head,
    /// What was found in it.
    pub found: Found,
}

impl Part {
    /// A part of which there is nothing but a problem: it could not be fetched, for instance.
    pub fn failed(name: &str, fault: Fault) -> Self {
        let mut part = Self { name: name.to_owned(), ..Self::default() };
        part.found.problems.push(super::problem::Problem { place: Place::default(), fault });
        part
    }
}

/// Reads a part, and finds what is ours.
pub fn read(own: &Own, format: Format, name: &str, from: &mut dyn Read, limits: Limits) -> Part {
    let mut matcher = Matcher::new(own, name, format.encoding());
    let head = source::open(from, limits.unpacked, |reader| Ok(format.layout().read(reader, &mut matcher)));
    let head = match head {
        Ok(head) => head,
        Err(fault) => {
            matcher.problem(Place::default(), fault);
            Head::default()
        }
    };
    let mut part = Part { name: name.to_owned(), head, found: matcher.finish() };
    if part.found.entries == 0 && part.found.problems.is_empty() {
        part.found.problems.push(super::problem::Problem { place: Place::default(), fault: Fault::Empty });
    }
    part
}

/// A part that cannot even be opened.
pub fn unopened(name: &str, error: &io::Error) -> Part {
    Part::failed(name, source::unreadable(error))
}
