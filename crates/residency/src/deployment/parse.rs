//! Reading a document: everything that is wrong is told at once, each with its line, the key and what to do.

use std::collections::BTreeMap;

use domicile_core::config::{Problem, Problems};
use ruma::OwnedServerName;
use toml_edit::{Document, Item};

use super::{
    Deployment, check,
    fields::{Fields, Reading, number, text},
    read,
};

/// Entries of one kind at most.
const ENTRIES: usize = 1_000;

/// Reads a document without asking who signed it. `name` is what messages call the file.
pub fn read(name: &str, text: &str) -> Result<Deployment, Problems> {
    let mut reading = Reading { name, text, problems: Problems::default() };
    if text.len() > super::sign::BYTES {
        reading.wrong(None, super::sign::Unsigned::TooLarge.to_string());
        return Err(reading.problems);
    }
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => {
            reading.wrong(error.span(), format!("this is not TOML: {}", error.message().trim()));
            return Err(reading.problems);
        }
    };
    let found = whole(&document, &mut reading);
    match found {
        Some(deployment) if reading.problems.is_empty() => {
            check::check(&deployment, &mut |what| reading.problems.push(Problem { place: name.to_owned(), what }));
            if reading.problems.is_empty() { Ok(deployment) } else { Err(reading.problems) }
        }
        _ => Err(reading.problems),
    }
}

fn whole<S>(document: &Document<S>, reading: &mut Reading<'_>) -> Option<Deployment> {
    let mut top = Fields::new("the document".to_owned(), document.as_table(), None);
    let serial = top.required(reading, "serial", number);
    let server_name = top.required(reading, "server_name", |item| {
        let name = text(item)?;
        OwnedServerName::try_from(name.as_str()).map_err(|_| format!("`{name}` cannot be a server name"))
    });
    let decider = top.item("directory").and_then(|item| {
        let Some(table) = item.as_table_like() else {
            reading.wrong(item.span(), "`directory` is a table: write [directory] above its keys".to_owned());
            return None;
        };
        let mut fields = Fields::new("[directory]".to_owned(), table, item.span());
        let decider = read::decider(&mut fields, reading);
        fields.end(reading);
        decider
    });
    if top.item("directory").is_none() {
        top.wrong(reading, "directory", "it is missing: name the cell that decides whose a name is");
    }
    let regions = list(&mut top, reading, "region", read::region, |code| code.as_str().to_owned());
    let flows =
        list(&mut top, reading, "flow", read::flow, |(from, to)| format!("from {} to {}", from.as_str(), to.as_str()));
    let cells = list(&mut top, reading, "cell", read::cell, |name| name.as_str().to_owned());
    let retired = list(&mut top, reading, "retired", read::retired, |name| name.as_str().to_owned());
    let revoked = list(&mut top, reading, "revoked", read::revoked, |name| name.as_str().to_owned());
    let outer_keys = list(&mut top, reading, "outer_key", read::outer_key, Clone::clone);
    top.end(reading);
    Some(Deployment {
        serial: serial?,
        server_name: server_name?,
        decider: decider?,
        regions,
        flows,
        cells,
        retired,
        revoked,
        outer_keys,
    })
}

/// The entries of one kind. One that is there twice is wrong.
fn list<K: Ord, V>(
    top: &mut Fields<'_>,
    reading: &mut Reading<'_>,
    kind: &'static str,
    read: impl Fn(&mut Fields<'_>, &mut Reading<'_>) -> Option<(K, V)>,
    called: impl Fn(&K) -> String,
) -> BTreeMap<K, V> {
    let mut all = BTreeMap::new();
    let Some(item) = top.item(kind) else { return all };
    let Some(tables) = item.as_array_of_tables().filter(|_| !matches!(item, Item::None)) else {
        let what = format!("each {kind} begins with [[{kind}]], with two brackets");
        reading.wrong(item.span(), what);
        return all;
    };
    if tables.len() > ENTRIES {
        reading.wrong(item.span(), format!("there are more than {ENTRIES} of [[{kind}]]"));
        return all;
    }
    for table in tables {
        let mut fields = Fields::new(format!("[[{kind}]]"), table, table.span());
        let entry = read(&mut fields, reading);
        fields.end(reading);
        let Some((key, value)) = entry else { continue };
        let name = called(&key);
        if all.insert(key, value).is_some() {
            reading.wrong(table.span(), format!("[[{kind}]] {name} is there twice"));
        }
    }
    all
}
