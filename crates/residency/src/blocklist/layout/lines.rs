//! Plain lists: one name, mask, page, address or network on a line; or the file `hosts`, an address and then names. `#` begins a comment.

use std::io::BufRead;

use super::{Head, Layout, each_line};
use crate::blocklist::{
    address::Net,
    entry::{Aim, Entry, Kind, Sink},
};

/// One thing on each line.
pub(super) struct PlainLines {
    /// Whether a name means what is below it, too.
    pub(super) below: bool,
}

/// What stands before a comment. In a page, `#` is no comment unless there is a blank before it.
fn code(line: &[u8]) -> &[u8] {
    let comment = memchr::memchr_iter(b'#', line)
        .find(|at| at.checked_sub(1).and_then(|before| line.get(before)).is_none_or(u8::is_ascii_whitespace));
    line.get(..comment.unwrap_or(line.len())).unwrap_or(line).trim_ascii()
}

impl Layout for PlainLines {
    fn read(&self, from: &mut dyn BufRead, into: &mut dyn Sink) -> Head {
        let mut entry = Entry::default();
        each_line(from, into, |into, line| {
            let text = code(line.text);
            // Lists for filters of advertisements have comments with an exclamation mark, too.
            if text.is_empty() || text.starts_with(b"!") {
                return;
            }
            entry.begin(line.place);
            let (kind, text) = match text.strip_prefix(b".") {
                _ if Net::parse(text).is_some() => (Kind::Address, text),
                _ if memchr::memmem::find(text, b"://").is_some() => (Kind::Url, text),
                Some(name) => (Kind::Tree, name),
                None if self.below => (Kind::Tree, text),
                None => (Kind::Name, text),
            };
            entry.piece(kind, Aim::Blocked, text);
            into.entry(&entry);
        });
        Head::default()
    }
}

/// The file `hosts`.
pub(super) struct HostsFile;

/// Names that every such file has for the machine itself.
const OWN_MACHINE: [&[u8]; 8] = [
    b"localhost",
    b"localhost.localdomain",
    b"local",
    b"broadcasthost",
    b"ip6-localhost",
    b"ip6-loopback",
    b"ip6-allnodes",
    b"ip6-allrouters",
];

impl Layout for HostsFile {
    fn read(&self, from: &mut dyn BufRead, into: &mut dyn Sink) -> Head {
        let mut entry = Entry::default();
        each_line(from, into, |into, line| {
            let mut words = code(line.text).split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).peekable();
            // The address is where the names are led to, not what is blocked. Some files leave it out.
            if words.peek().is_some_and(|word| Net::parse(word).is_some()) {
                words.next();
            }
            entry.begin(line.place);
            for name in words.filter(|word| !OWN_MACHINE.contains(word) && Net::parse(word).is_none()) {
                entry.piece(Kind::Name, Aim::Blocked, name);
            }
            if !entry.is_empty() {
                into.entry(&entry);
            }
        });
        Head::default()
    }
}
