//! `dump.csv`, as the project zapret-info publishes the register of Russia: Windows-1251; a first line `Updated: 2026-11-27 21:05:00 +0000`; then
//! six fields with `;` between them: addresses, names, pages, authority, number and date of the decision. Several addresses, names or pages have
//! ` | ` between them. Since 2024 the whole is in `dump-00.csv` to `dump-19.csv`; only a first line that begins with `Updated` is a header.

use std::io::BufRead;

use super::{Head, Layout, each_line};
use crate::blocklist::{
    entry::{Aim, Entry, Fact, Kind, Sink},
    fields::{Fields, Split},
    problem::{Fault, excerpt},
    text::time,
};

const FIELDS: usize = 6;
/// What is expected to begin it.
const HEADER: &[u8] = b"Updated:";

pub(super) struct RuCsv;

impl Layout for RuCsv {
    fn read(&self, from: &mut dyn BufRead, into: &mut dyn Sink) -> Head {
        let mut head = Head::default();
        let (mut fields, mut entry) = (Fields::default(), Entry::default());
        each_line(from, into, |into, line| {
            if line.text.is_empty() {
                return;
            }
            if let Some(said) = line.text.strip_prefix(HEADER).filter(|_| line.place.line == 1) {
                let said = String::from_utf8_lossy(said);
                head.updated_ms = time(&said, 0);
                if head.updated_ms.is_none() {
                    into.problem(line.place, Fault::Time(excerpt(said.trim(), 60)));
                }
                return;
            }
            let split = fields.split(line.text, b';');
            entry.begin(line.place);
            if split.is_open {
                into.problem(line.place, Fault::OpenQuote);
            } else if split.len() < FIELDS && !line.is_ended {
                into.problem(line.place, Fault::Truncated("the last line is not whole"));
            } else if split.len() < FIELDS && !line.is_cut {
                into.problem(line.place, Fault::Fields { found: split.len(), expected: FIELDS });
            }
            fill(&mut entry, &split);
            into.entry(&entry);
        });
        head
    }
}

/// Takes what there is: also a line with too few fields may name us. One with too many has a `;` in a page that was not quoted.
fn fill(entry: &mut Entry, split: &Split<'_>) {
    let last = split.len().max(FIELDS) - 1;
    for address in split.get(0).split(|byte| *byte == b'|') {
        entry.piece(Kind::Address, Aim::Blocked, address);
    }
    for name in split.get(1).split(|byte| *byte == b'|') {
        entry.piece(Kind::Name, Aim::Blocked, name);
    }
    let pages = if split.len() > FIELDS { split.between(2, last - 3) } else { split.get(2) };
    let mut rest = pages;
    // A page may have a bar of its own, so only one between blanks parts them.
    while let Some(at) = memchr::memmem::find(rest, b" | ") {
        entry.piece(Kind::Url, Aim::Blocked, &rest[..at]);
        rest = &rest[at + 3..];
    }
    entry.piece(Kind::Url, Aim::Blocked, rest);
    entry.fact(Fact::Authority, split.get(last - 2));
    entry.fact(Fact::Number, split.get(last - 1));
    entry.fact(Fact::Date, split.get(last));
    // The layout does not say what is blocked: where there are names or pages, the addresses are where these led.
    if entry.has(Kind::Name) || entry.has(Kind::Url) {
        entry.set_beside(&[Kind::Address]);
    }
}
