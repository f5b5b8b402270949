//! Lists with a name in one of several columns: the Czech trade inspection's risky shops (`rizikove-seznam.csv`: domain and reason, with `;` or
//! `,`, Windows-1250 or UTF-8), and CERT Polska's warning list (tabs; `PozycjaRejestru`, `AdresDomeny`, `DataWpisu`, `DataWykreslenia`).

use std::io::BufRead;

use super::{Head, Layout, each_line};
use crate::blocklist::{
    entry::{Aim, Entry, Fact, Kind, Sink},
    fields::Fields,
    problem::Fault,
};

/// Which columns such a list has.
pub(super) struct Columns {
    /// What may be between them; the first that is in the first line is it.
    separators: &'static [u8],
    /// How many a line must have.
    least: usize,
    name: usize,
    /// A column that, if there is anything in it, says that the name is blocked no more.
    removed: Option<usize>,
    facts: &'static [(Fact, usize)],
}

/// `domain;reason`.
pub(super) const COI: Columns =
    Columns { separators: b";,\t", least: 1, name: 0, removed: None, facts: &[(Fact::Reason, 1)] };

/// `PozycjaRejestru`, `AdresDomeny`, `DataWpisu`, `DataWykreslenia`.
pub(super) const CERT: Columns =
    Columns { separators: b"\t;,", least: 3, name: 1, removed: Some(3), facts: &[(Fact::Id, 0), (Fact::Included, 2)] };

impl Layout for Columns {
    fn read(&self, from: &mut dyn BufRead, into: &mut dyn Sink) -> Head {
        let (mut fields, mut entry) = (Fields::default(), Entry::default());
        let mut separator = None;
        each_line(from, into, |into, line| {
            if line.text.trim_ascii().is_empty() {
                return;
            }
            let is_first = separator.is_none();
            let between = *separator.get_or_insert_with(|| {
                let found = self.separators.iter().copied().find(|byte| memchr::memchr(*byte, line.text).is_some());
                found.unwrap_or(b';')
            });
            let split = fields.split(line.text, between);
            // A first line of words is the names of the columns; a name has a dot.
            if is_first && memchr::memchr(b'.', split.get(self.name)).is_none() {
                return;
            }
            if split.is_open {
                into.problem(line.place, Fault::OpenQuote);
            } else if split.len() < self.least && !line.is_cut {
                into.problem(line.place, Fault::Fields { found: split.len(), expected: self.least });
            }
            if self.removed.is_some_and(|column| !split.get(column).trim_ascii().is_empty()) {
                return;
            }
            entry.begin(line.place);
            entry.piece(Kind::Name, Aim::Blocked, split.get(self.name));
            for (fact, column) in self.facts {
                entry.fact(*fact, split.get(*column));
            }
            into.entry(&entry);
        });
        Head::default()
    }
}
