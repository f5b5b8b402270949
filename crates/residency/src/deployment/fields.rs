//! One table of the document: its keys read one by one, everything that is wrong noted with its place.

use std::collections::BTreeSet;

use domicile_core::config::{Problem, Problems, meant};
use toml_edit::{Item, TableLike};

/// Where in which text something stands, and what was wrong so far.
pub(super) struct Reading<'t> {
    pub(super) name: &'t str,
    pub(super) text: &'t str,
    pub(super) problems: Problems,
}

impl Reading<'_> {
    /// Notes what is wrong at a place.
    pub(super) fn wrong(&mut self, span: Option<std::ops::Range<usize>>, what: String) {
        let place = span.map_or_else(
            || self.name.to_owned(),
            |span| {
                let before = self.text.get(..span.start).unwrap_or(self.text);
                let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
                format!("{}:{line}", self.name)
            },
        );
        self.problems.push(Problem { place, what });
    }
}

/// A table while it is read.
pub(super) struct Fields<'d> {
    /// How it is called in messages, such as `[[cell]] n1`.
    called: String,
    table: &'d dyn TableLike,
    span: Option<std::ops::Range<usize>>,
    asked: BTreeSet<&'static str>,
}

impl<'d> Fields<'d> {
    pub(super) fn new(called: String, table: &'d dyn TableLike, span: Option<std::ops::Range<usize>>) -> Self {
        Self { called, table, span, asked: BTreeSet::new() }
    }

    /// From now on messages name it so.
    pub(super) fn call(&mut self, called: String) {
        self.called = called;
    }

    /// Where a key stands, or the table.
    pub(super) fn span(&self, key: &str) -> Option<std::ops::Range<usize>> {
        self.table.get(key).and_then(Item::span).or_else(|| self.span.clone())
    }

    /// Notes what is wrong with a key.
    pub(super) fn wrong(&self, reading: &mut Reading<'_>, key: &str, what: &str) {
        reading.wrong(self.span(key), format!("{}: `{key}`: {what}", self.called));
    }

    /// A key's value, if it is there.
    pub(super) fn item(&mut self, key: &'static str) -> Option<&'d Item> {
        self.asked.insert(key);
        self.table.get(key)
    }

    /// A key that may be missing.
    pub(super) fn optional<T>(
        &mut self,
        reading: &mut Reading<'_>,
        key: &'static str,
        read: impl FnOnce(&Item) -> Result<T, String>,
    ) -> Option<T> {
        let value = read(self.item(key)?);
        value.map_err(|what| self.wrong(reading, key, &what)).ok()
    }

    /// A key that must be there.
    pub(super) fn required<T>(
        &mut self,
        reading: &mut Reading<'_>,
        key: &'static str,
        read: impl FnOnce(&Item) -> Result<T, String>,
    ) -> Option<T> {
        if self.item(key).is_none() {
            self.wrong(reading, key, "it is missing");
            return None;
        }
        self.optional(reading, key, read)
    }

    /// Notes keys that nobody asked for.
    pub(super) fn end(self, reading: &mut Reading<'_>) {
        for (key, item) in self.table.iter().filter(|(key, _)| !self.asked.contains(key)) {
            let hint = match meant(key, self.asked.iter().copied()) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("the keys are {}", self.asked.iter().copied().collect::<Vec<_>>().join(", ")),
            };
            reading.wrong(
                item.span().or_else(|| self.span.clone()),
                format!("{}: there is no key `{key}`: {hint}", self.called),
            );
        }
    }
}

pub(super) fn text(item: &Item) -> Result<String, String> {
    item.as_str().map(str::to_owned).ok_or_else(|| "expected text in quotes".to_owned())
}

pub(super) fn flag(item: &Item) -> Result<bool, String> {
    item.as_bool().ok_or_else(|| "expected true or false".to_owned())
}

pub(super) fn number(item: &Item) -> Result<u32, String> {
    let number = item.as_integer().and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0);
    number.ok_or_else(|| format!("expected a number from 1 to {}", u32::MAX))
}

pub(super) fn texts(item: &Item) -> Result<Vec<String>, String> {
    let expected = || "expected a list of texts such as [\"a\", \"b\"]".to_owned();
    let list = item.as_array().ok_or_else(expected)?;
    list.iter().map(|entry| entry.as_str().map(str::to_owned).ok_or_else(expected)).collect()
}
