//! `cargo xtask docs`: writes the documents that are made from the code, so that they cannot say something else.

mod federation;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::endpoints::{self, Declared};
use crate::{command, golden};

const OPERATIONS: &str = "xtask/data/client-server-operations.txt";
const DOCUMENT: &str = "docs/operations.md";
const COVERAGE: &str = "docs/federation-coverage.md";
/// Served operations that the test of missing and foreign tokens leaves out, each with a reason.
const UNTESTED: &str = "xtask/golden/operations-without-authorisation-test.txt";
const ENDPOINTS: &str = "crates/http/src";
/// Those of other servers, which have a document of their own.
const FEDERATION: &str = "crates/http/src/federation/";

/// Options.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Change nothing; an error if a document is not what the code makes of it
    #[arg(long)]
    check: bool,
}

/// Writes, or with `--check` compares, every generated document.
pub(crate) fn run(args: &Args) -> Result<()> {
    let served = served()?;
    for (document, made) in [(DOCUMENT, operations(&served)?), (COVERAGE, federation::document(&served)?)] {
        let place = command::root().join(document);
        if !args.check {
            fs::write(&place, made).with_context(|| format!("writing {document}"))?;
            println!("docs: wrote {document}");
        } else if fs::read_to_string(&place).unwrap_or_default() != made {
            bail!("{document} is not what the code makes of it: run `cargo xtask docs` and commit the file");
        } else {
            println!("docs: {document} is up to date");
        }
    }
    Ok(())
}

/// What endpoint files declare by method and path, and which file does.
type Served = BTreeMap<(String, String), (Declared, String)>;

/// One operation of the specification.
struct Operation<'a> {
    area: &'a str,
    method: &'a str,
    path: &'a str,
    name: &'a str,
    who: &'a str,
    is_deprecated: bool,
}

/// The table of operations: which are served, and by which file.
fn operations(served: &Served) -> Result<String> {
    let list = fs::read_to_string(command::root().join(OPERATIONS)).with_context(|| format!("reading {OPERATIONS}"))?;
    let operations: Vec<Operation<'_>> = list
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            let [area, method, path, name, who, rest @ ..] = words.as_slice() else {
                bail!("{OPERATIONS}: `{line}` has too few words");
            };
            Ok(Operation { area, method, path, name, who, is_deprecated: rest == ["deprecated"] })
        })
        .collect::<Result<_>>()?;
    let untested = golden::read(UNTESTED)?;
    for name in untested.keys() {
        if !operations.iter().any(|op| op.name == name && served.contains_key(&key(op.method, op.path))) {
            bail!("{UNTESTED}: `{name}` is not an operation that is served; remove its line");
        }
    }
    Ok(document(&operations, served, &untested))
}

/// Method and path, with parameters' names left out: whoever wrote the file may have called them otherwise.
fn key(method: &str, path: &str) -> (String, String) {
    let path: Vec<&str> = path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part }).collect();
    (method.to_owned(), path.join("/"))
}

/// What the endpoint files declare, and which file does.
fn served() -> Result<Served> {
    let mut served = BTreeMap::new();
    let mut folders = vec![command::root().join(ENDPOINTS)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("listing {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(command::root()).unwrap_or(&path).to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).with_context(|| format!("reading {name}"))?;
            for declared in endpoints::parse_head(&text) {
                let key = key(&declared.method, &declared.path);
                if let Some((_, other)) = served.insert(key, (declared.clone(), name.clone())) {
                    let Declared { method, path } = declared;
                    bail!(
                        "{name} and {other} both say that they answer {method} {path}; one file answers an operation"
                    );
                }
            }
        }
    }
    Ok(served)
}

fn document(operations: &[Operation<'_>], served: &Served, untested: &BTreeMap<String, String>) -> String {
    let find = |op: &Operation<'_>| served.get(&key(op.method, op.path));
    let count = operations.iter().filter(|op| find(op).is_some()).count();
    let mut text = format!(
        "# Operations\n\n\
         Made by `cargo xtask docs` from the first lines of the files under `{ENDPOINTS}`; do not edit.\n\n\
         Of the {} operations of the client-server API, version 1.19, Domicile serves **{count}**. What is not served is \
         answered with 404 `M_UNRECOGNIZED`.\n",
        operations.len(),
    );
    let mut area = "";
    for op in operations {
        if op.area != area {
            area = op.area;
            let _ = write!(
                text,
                "\n## {area}\n\n| operation | | who may call it | served by |\n| --- | --- | --- | --- |\n"
            );
        }
        let by = find(op).map_or("**no**".to_owned(), |(_, file)| link(file));
        let note = if op.is_deprecated { ", deprecated" } else { "" };
        let _ = writeln!(text, "| `{} {}` | {}{note} | {} | {by} |", op.method, op.path, op.name, op.who);
    }
    let known: BTreeSet<_> = operations.iter().map(|op| key(op.method, op.path)).collect();
    let others: Vec<_> =
        served.iter().filter(|(key, by)| !known.contains(key) && !by.1.starts_with(FEDERATION)).collect();
    if !others.is_empty() {
        text.push_str("\n## Not of the client-server API 1.19\n\n| operation | served by |\n| --- | --- |\n");
    }
    for (_, (Declared { method, path }, file)) in others {
        let _ = writeln!(text, "| `{method} {path}` | {} |", link(file));
    }
    text.push_str("\n## Served without a test of missing and foreign tokens\n\n");
    if untested.is_empty() {
        text.push_str("None.\n");
    }
    for (name, reason) in untested {
        let _ = writeln!(text, "- {name}: {reason}");
    }
    text
}

fn link(file: &str) -> String {
    let name = Path::new(file).file_stem().unwrap_or_default().to_string_lossy();
    format!("[{name}](../{file})")
}
