//! Golden files: lists of exceptions that may only become shorter.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result};

use crate::command;

/// The exceptions of one file under the repository's root: the first word of each line, and the rest of the line.
///
/// Empty lines and lines that begin with `#` are for people.
pub(crate) fn read(path: &str) -> Result<BTreeMap<String, String>> {
    let text = fs::read_to_string(command::root().join(path)).with_context(|| format!("reading {path}"))?;
    Ok(text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| match line.split_once(' ') {
            Some((key, rest)) => (key.to_owned(), rest.trim().to_owned()),
            None => (line.to_owned(), String::new()),
        })
        .collect())
}

/// Replaces the entries and keeps the comments at the file's head.
pub(crate) fn write(path: &str, entries: &BTreeMap<String, String>) -> Result<()> {
    let place = command::root().join(path);
    let old = fs::read_to_string(&place).with_context(|| format!("reading {path}"))?;
    let mut text: String = old.lines().take_while(|line| line.starts_with('#')).flat_map(|line| [line, "\n"]).collect();
    for (key, rest) in entries {
        text.push_str(format!("{key} {rest}").trim_end());
        text.push('\n');
    }
    fs::write(&place, text).with_context(|| format!("writing {path}"))
}
