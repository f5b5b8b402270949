//! `cargo xtask docs`: writes the documents that are made from the code, so that they cannot say something else.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::endpoints::{self, Declared};
use crate::{command, golden};

/// The specification's APIs that are served, each with the list of its operations.
const APIS: [(&str, &str); 2] = [
    ("client-server", "xtask/data/client-server-operations.txt"),
    ("server-server", "xtask/data/server-server-operations.txt"),
];
const DOCUMENT: &str = "docs/operations.md";
/// Served operations that the test of missing and foreign tokens leaves out, each with a reason.
const UNTESTED: &str = "xtask/golden/operations-without-authorisation-test.txt";
const ENDPOINTS: &str = "crates/http/src";

/// Options.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Change nothing; an error if a document is not what the code makes of it
    #[arg(long)]
    check: bool,
}

/// Writes, or with `--check` compares, every generated document.
pub(crate) fn run(args: &Args) -> Result<()> {
    let made = operations()?;
    let place = command::root().join(DOCUMENT);
    if !args.check {
        fs::write(&place, made).with_context(|| format!("writing {DOCUMENT}"))?;
        println!("docs: wrote {DOCUMENT}");
        return Ok(());
    }
    if fs::read_to_string(&place).unwrap_or_default() != made {
        bail!("{DOCUMENT} is not what the code makes of it: run `cargo xtask docs` and commit the file");
    }
    println!("docs: {DOCUMENT} is up to date");
    Ok(())
}

/// One operation of the specification.
struct Operation<'a> {
    area: &'a str,
    method: &'a str,
    path: &'a str,
    name: &'a str,
    who: &'a str,
    is_deprecated: bool,
}

/// The tables of operations: which are served, and by which file.
fn operations() -> Result<String> {
    let lists =
        APIS.map(|(_, list)| fs::read_to_string(command::root().join(list)).with_context(|| format!("reading {list}")));
    let [clients, servers] = lists;
    let (clients, servers) = (clients?, servers?);
    let apis = [read(&clients)?, read(&servers)?];
    let served = served()?;
    let untested = golden::read(UNTESTED)?;
    for name in untested.keys() {
        let mut operations = apis.iter().flatten();
        if !operations.any(|op| op.name == name && served.contains_key(&key(op.method, op.path))) {
            bail!("{UNTESTED}: `{name}` is not an operation that is served; remove its line");
        }
    }
    Ok(document(&apis, &served, &untested))
}

/// The operations of a list.
fn read(list: &str) -> Result<Vec<Operation<'_>>> {
    list.lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            let [area, method, path, name, who, rest @ ..] = words.as_slice() else {
                bail!("a list of operations: `{line}` has too few words");
            };
            Ok(Operation { area, method, path, name, who, is_deprecated: rest == ["deprecated"] })
        })
        .collect()
}

/// Method and path, with parameters' names left out: whoever wrote the file may have called them otherwise.
fn key(method: &str, path: &str) -> (String, String) {
    let path: Vec<&str> = path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part }).collect();
    (method.to_owned(), path.join("/"))
}

/// What the endpoint files declare, and which file does.
fn served() -> Result<BTreeMap<(String, String), (Declared, String)>> {
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

fn document(
    apis: &[Vec<Operation<'_>>; APIS.len()],
    served: &BTreeMap<(String, String), (Declared, String)>,
    untested: &BTreeMap<String, String>,
) -> String {
    let find = |op: &Operation<'_>| served.get(&key(op.method, op.path));
    let mut text = format!(
        "# Operations\n\n\
         Made by `cargo xtask docs` from the first lines of the files under `{ENDPOINTS}`; do not edit. What is not served is \
         answered with 404 `M_UNRECOGNIZED`.\n",
    );
    for ((api, _), operations) in APIS.iter().zip(apis) {
        let count = operations.iter().filter(|op| find(op).is_some()).count();
        let all = operations.len();
        let _ = write!(
            text,
            "\n## The {api} API\n\nOf the {all} operations of the {api} API, version 1.19, Domicile serves **{count}**.\n"
        );
        let mut area = "";
        for op in operations {
            if op.area != area {
                area = op.area;
                let _ = write!(
                    text,
                    "\n### {area}\n\n| operation | | who may call it | served by |\n| --- | --- | --- | --- |\n"
                );
            }
            let by = find(op).map_or("**no**".to_owned(), |(_, file)| link(file));
            let note = if op.is_deprecated { ", deprecated" } else { "" };
            let _ = writeln!(text, "| `{} {}` | {}{note} | {} | {by} |", op.method, op.path, op.name, op.who);
        }
    }
    let known: BTreeSet<_> = apis.iter().flatten().map(|op| key(op.method, op.path)).collect();
    let others: Vec<_> = served.iter().filter(|(key, _)| !known.contains(key)).collect();
    if !others.is_empty() {
        text.push_str("\n## Of neither API\n\n| operation | served by |\n| --- | --- |\n");
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
