//! Reading a table of the format: every key is asked for once; what is missing, does not fit or is unknown is a problem with file, line and column.

use std::{collections::BTreeMap, ops::Range};

use domicile_core::{
    calendar::parse_day,
    config::{Problem, Problems, meant},
};
use toml_edit::{Item, TableLike};

use super::words::Word;

/// Longest text in bytes.
const TEXT_BYTES: usize = 4_000;
/// Most items of a list.
const ITEMS: usize = 200;

/// A file that is read, and what is wrong with it.
pub(super) struct Reading<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a str,
    pub(super) problems: Problems,
}

impl Reading<'_> {
    /// Notes a problem at a place of the text.
    pub(super) fn problem(&mut self, span: Option<Range<usize>>, what: String) {
        let place = match span.and_then(|span| self.text.get(..span.start)) {
            None => self.name.to_owned(),
            Some(before) => {
                let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
                format!("{}:{}:{column}", self.name, before.matches('\n').count() + 1)
            }
        };
        self.problems.push(Problem { place, what });
    }
}

/// A table that is read.
pub(super) struct Table<'t> {
    /// How people call it, such as `duty.trigger`.
    path: String,
    inner: &'t dyn TableLike,
    span: Option<Range<usize>>,
    known: Vec<&'static str>,
}

impl<'t> Table<'t> {
    pub(super) fn new(path: &str, table: &'t dyn TableLike, span: Option<Range<usize>>) -> Self {
        Self { path: path.to_owned(), inner: table, span, known: Vec::new() }
    }

    fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Where the table begins.
    pub(super) fn span(&self) -> Option<Range<usize>> {
        self.span.clone()
    }

    fn item(&mut self, key: &'static str) -> Option<&'t Item> {
        self.known.push(key);
        self.inner.get(key)
    }

    /// Whether a key is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.inner.contains_key(key)
    }

    /// Where a key or its value stands.
    pub(super) fn span_of(&self, key: &str) -> Option<Range<usize>> {
        let value = self.inner.get(key).and_then(Item::span);
        value.or_else(|| self.inner.key(key).and_then(toml_edit::Key::span)).or_else(|| self.span.clone())
    }

    /// A text, if it is there.
    pub(super) fn opt_text(&mut self, reading: &mut Reading<'_>, key: &'static str) -> Option<String> {
        let item = self.item(key)?;
        match item.as_str().map(str::trim) {
            Some("") => reading
                .problem(self.span_of(key), format!("`{}` is empty: say it, or leave the key out", self.key(key))),
            Some(text) if text.len() > TEXT_BYTES => {
                reading.problem(self.span_of(key), format!("`{}` has more than {TEXT_BYTES} bytes", self.key(key)));
            }
            Some(text) => return Some(text.to_owned()),
            None => reading.problem(self.span_of(key), format!("`{}` must be a text in quotes", self.key(key))),
        }
        None
    }

    /// A text that must be there.
    pub(super) fn text(&mut self, reading: &mut Reading<'_>, key: &'static str) -> String {
        if self.inner.get(key).is_none() {
            self.known.push(key);
            reading.problem(self.span(), format!("`{}` is missing", self.key(key)));
            return String::new();
        }
        self.opt_text(reading, key).unwrap_or_default()
    }

    /// A day such as 2026-11-28, if it is there.
    pub(super) fn opt_day(&mut self, reading: &mut Reading<'_>, key: &'static str) -> Option<String> {
        let text = self.opt_text(reading, key)?;
        if parse_day(&text).is_some() {
            return Some(text);
        }
        let what = format!("`{}` must be a day such as \"2026-11-28\", found \"{text}\"", self.key(key));
        reading.problem(self.span_of(key), what);
        None
    }

    /// A number, if it is there.
    pub(super) fn opt_number(&mut self, reading: &mut Reading<'_>, key: &'static str) -> Option<u64> {
        let item = self.item(key)?;
        let number = item.as_integer().and_then(|number| u64::try_from(number).ok());
        if number.is_none() {
            reading.problem(self.span_of(key), format!("`{}` must be a whole number, not below 0", self.key(key)));
        }
        number
    }

    /// A truth; false if it is not there.
    pub(super) fn flag(&mut self, reading: &mut Reading<'_>, key: &'static str) -> bool {
        let Some(item) = self.item(key) else { return false };
        item.as_bool().unwrap_or_else(|| {
            reading.problem(self.span_of(key), format!("`{}` must be true or false", self.key(key)));
            false
        })
    }

    /// Texts; none if the key is not there.
    pub(super) fn texts(&mut self, reading: &mut Reading<'_>, key: &'static str) -> Vec<String> {
        let Some(item) = self.item(key) else { return Vec::new() };
        let texts: Option<Vec<String>> = item
            .as_array()
            .filter(|array| array.len() <= ITEMS)
            .and_then(|array| array.iter().map(|value| value.as_str().map(|text| text.trim().to_owned())).collect());
        let fits = |texts: &Vec<String>| texts.iter().all(|text| !text.is_empty() && text.len() <= TEXT_BYTES);
        texts.filter(fits).unwrap_or_else(|| {
            let what = format!("`{}` must be a list of at most {ITEMS} texts, none of them empty", self.key(key));
            reading.problem(self.span_of(key), what);
            Vec::new()
        })
    }

    /// One of a few words, if it is there.
    pub(super) fn opt_word<W: Word>(&mut self, reading: &mut Reading<'_>, key: &'static str) -> Option<W> {
        let text = self.opt_text(reading, key)?;
        let found = W::of(&text);
        if found.is_none() {
            reading.problem(self.span_of(key), not_a_word::<W>(&self.key(key), &text));
        }
        found
    }

    /// Words; none if the key is not there.
    pub(super) fn words<W: Word>(&mut self, reading: &mut Reading<'_>, key: &'static str) -> Vec<W> {
        let mut found = Vec::new();
        for text in self.texts(reading, key) {
            match W::of(&text) {
                Some(word) => found.push(word),
                None => reading.problem(self.span_of(key), not_a_word::<W>(&self.key(key), &text)),
            }
        }
        found
    }

    /// A table in it, if it is there.
    pub(super) fn opt_table(&mut self, reading: &mut Reading<'_>, key: &'static str) -> Option<Table<'t>> {
        let item = self.item(key)?;
        let Some(table) = item.as_table_like() else {
            reading.problem(self.span_of(key), format!("`{}` must be a table", self.key(key)));
            return None;
        };
        Some(Table::new(&self.key(key), table, self.span_of(key)))
    }

    /// Tables in it: `[[key]]`, or a list of inline tables.
    pub(super) fn tables(&mut self, reading: &mut Reading<'_>, key: &'static str) -> Vec<Table<'t>> {
        let Some(item) = self.item(key) else { return Vec::new() };
        let path = self.key(key);
        let found: Option<Vec<Table<'t>>> = match item {
            Item::ArrayOfTables(tables) => {
                Some(tables.iter().map(|table| Table::new(&path, table, table.span())).collect())
            }
            Item::Value(toml_edit::Value::Array(array)) => array
                .iter()
                .map(|value| value.as_inline_table().map(|table| Table::new(&path, table, value.span())))
                .collect(),
            _ => None,
        };
        let found = found.filter(|tables| tables.len() <= ITEMS);
        if found.is_none() {
            reading.problem(self.span_of(key), format!("`{path}` must be a list of at most {ITEMS} tables"));
        }
        found.unwrap_or_default()
    }

    /// Every key with its text.
    pub(super) fn all_texts(self, reading: &mut Reading<'_>) -> BTreeMap<String, String> {
        let mut texts = BTreeMap::new();
        for (key, item) in self.inner.iter() {
            match item.as_str().map(str::trim).filter(|text| !text.is_empty() && text.len() <= TEXT_BYTES) {
                Some(text) => {
                    texts.insert(key.to_owned(), text.to_owned());
                }
                None => reading.problem(self.span_of(key), format!("`{}` must be a text in quotes", self.key(key))),
            }
        }
        texts
    }

    /// Notes keys that nobody asked for.
    pub(super) fn finish(self, reading: &mut Reading<'_>) {
        for (key, _) in self.inner.iter().filter(|(key, _)| !self.known.contains(key)) {
            let hint = match meant(key, self.known.iter().copied()) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("the keys here are {}", self.known.join(", ")),
            };
            let span = self.inner.key(key).and_then(toml_edit::Key::span).or_else(|| self.span_of(key));
            reading.problem(span, format!("there is no key `{}`: {hint}", self.key(key)));
        }
    }
}

fn not_a_word<W: Word>(key: &str, found: &str) -> String {
    let hint = meant(found, W::WORDS.iter().copied()).map(|word| format!("; did you mean \"{word}\"?"));
    format!("`{key}` must be one of {}, found \"{found}\"{}", W::WORDS.join(", "), hint.unwrap_or_default())
}
