//! `docs/federation-coverage.md`: each operation of the server-server API, where it is served, where it is called, and which tests name it.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

use super::{Served, key, link};
use crate::{command, golden};

const OPERATIONS: &str = "xtask/data/server-server-operations.txt";
/// Operations that are not served, or not called, each with a reason.
const UNSERVED: &str = "xtask/golden/federation-not-served.txt";
const UNCALLED: &str = "xtask/golden/federation-not-called.txt";
/// Where other servers are called from.
const CALLERS: [&str; 2] = ["crates/app/src", "crates/egress/src"];
/// Where tests are.
const TESTS: [&str; 3] = ["crates/http/tests", "crates/testkit/tests", "crates/server/tests"];

struct Operation {
    area: String,
    method: String,
    path: String,
    name: String,
    who: String,
    module: String,
}

/// Files under folders, with what they say.
type Texts = BTreeMap<String, String>;

/// The document.
pub(super) fn document(served: &Served) -> Result<String> {
    let operations = operations()?;
    let (callers, tests) = (texts(&CALLERS)?, texts(&TESTS)?);
    let (unserved, uncalled) = (golden::read(UNSERVED)?, golden::read(UNCALLED)?);
    let count = operations.iter().filter(|op| served.contains_key(&key(&op.method, &op.path))).count();
    let mut text = format!(
        "# Federation: what is served and called\n\n\
         Made by `cargo xtask docs` from the first lines of the files under `crates/http/src`, from what names ruma's types under \
         `crates/app/src` and `crates/egress/src`, and from the tests; do not edit.\n\n\
         Of the {} operations of the server-server API, version 1.19, Domicile serves **{count}**. `signed` may be called by servers \
         that sign their requests. The test of all operations (`crates/http/tests/federation/operations.rs`) goes through all that are \
         served, and is not named again.\n",
        operations.len(),
    );
    let mut area = "";
    for op in &operations {
        if op.area != area {
            area = &op.area;
            let head = "| operation | | who | served by | called by | tests |\n| --- | --- | --- | --- | --- | --- |";
            let _ = write!(text, "\n## {area}\n\n{head}\n");
        }
        let by = match served.get(&key(&op.method, &op.path)) {
            Some((_, file)) if unserved.contains_key(&op.name) => {
                bail!("{UNSERVED}: `{}` is served by {file}; remove its line", op.name)
            }
            Some((_, file)) => link(file),
            None => "**no**".to_owned(),
        };
        let calling: Vec<&String> = naming(&callers, |text| calls(text, &op.module));
        if !calling.is_empty() && uncalled.contains_key(&op.name) {
            bail!("{UNCALLED}: `{}` is called by {}; remove its line", op.name, calling[0]);
        }
        let path = fixed_part(&op.path);
        let testing = naming(&tests, |text| text.contains(path) || calls(text, &op.module));
        let _ = writeln!(
            text,
            "| `{} {}` | {} | {} | {by} | {} | {} |",
            op.method,
            op.path,
            op.name,
            op.who,
            links(&calling),
            links(&testing)
        );
    }
    for (title, reasons, file) in [("Not served", &unserved, UNSERVED), ("Not called", &uncalled, UNCALLED)] {
        let _ = write!(text, "\n## {title}, and why\n\n");
        for (name, reason) in reasons {
            if !operations.iter().any(|op| op.name == *name) {
                bail!("{file}: `{name}` is no operation of the server-server API");
            }
            let _ = writeln!(text, "- {name}: {reason}");
        }
        if reasons.is_empty() {
            text.push_str("Nothing.\n");
        }
    }
    Ok(text)
}

fn operations() -> Result<Vec<Operation>> {
    let list = fs::read_to_string(command::root().join(OPERATIONS)).with_context(|| format!("reading {OPERATIONS}"))?;
    let lines = list.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let Ok([area, method, path, name, who, module]) = <[String; 6]>::try_from(words) else {
                bail!("{OPERATIONS}: `{line}` has not six words");
            };
            Ok(Operation { area, method, path, name, who, module })
        })
        .collect()
}

/// All Rust files under the folders.
fn texts(folders: &[&str]) -> Result<Texts> {
    let mut found = Texts::new();
    let mut todo: Vec<PathBuf> = folders.iter().map(|folder| command::root().join(folder)).collect();
    while let Some(folder) = todo.pop() {
        if !folder.exists() {
            continue;
        }
        for entry in fs::read_dir(&folder).with_context(|| format!("listing {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                todo.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(command::root()).unwrap_or(&path).to_string_lossy().into_owned();
                let text = fs::read_to_string(&path).with_context(|| format!("reading {name}"))?;
                found.insert(name, text);
            }
        }
    }
    Ok(found)
}

fn naming(texts: &Texts, says: impl Fn(&str) -> bool) -> Vec<&String> {
    texts.iter().filter(|(_, text)| says(text)).map(|(file, _)| file).collect()
}

/// Whether a text names a type of ruma's module: `module::v1` and the like, and not as the end of another name.
fn calls(text: &str, module: &str) -> bool {
    let (wanted, version) = match module.split_once("::") {
        Some((_, version)) => (format!("{module}::"), Some(version)),
        None => (format!("{module}::"), None),
    };
    text.match_indices(&wanted).any(|(at, found)| {
        let before = text[..at].chars().next_back();
        let after = &text[at + found.len()..];
        let begins = before.is_none_or(|letter| !letter.is_alphanumeric() && letter != '_');
        begins && (version.is_some() || ["v1", "v2"].iter().any(|version| after.starts_with(version)))
    })
}

/// A path up to its first parameter, or all of it.
fn fixed_part(path: &str) -> &str {
    path.split('{').next().unwrap_or(path)
}

fn links(files: &[&String]) -> String {
    let named =
        |file: &&String| format!("[{}](../{file})", Path::new(file).file_stem().unwrap_or_default().to_string_lossy());
    files.iter().map(named).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_longer_ones() {
        assert!(calls("use event::get_event::v1::Request;", "get_event"));
        assert!(!calls("use event::forget_event::v1;", "get_event"));
        assert!(!calls("use event::get_event_by_timestamp::v1;", "get_event"));
        assert!(calls("create_invite::v2::Request", "create_invite::v2"));
        assert!(!calls("create_invite::v1::Request", "create_invite::v2"));
        assert_eq!(fixed_part("/a/{b}/c"), "/a/");
    }

    #[test]
    fn there_are_thirty_six_operations() {
        let operations = operations().unwrap();
        assert_eq!(operations.len(), 36);
        let mut names: Vec<_> = operations.iter().map(|op| &op.name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 36);
    }
}
