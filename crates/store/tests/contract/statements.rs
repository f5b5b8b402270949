//! Every statement of the store is understood by both engines.

use std::{fs, path::Path};

use domicile_store::StoreError;

use crate::fixture::on_both;

const VERBS: [&str; 5] = ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH "];

/// String literals of the sources that begin like a statement, with file and line.
fn statements() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for place in ["table", "numbers.rs", "engine/mod.rs"] {
        collect(&root.join(place), &mut found);
    }
    found
}

fn collect(path: &Path, found: &mut Vec<(String, String)>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("the folder can be read") {
            collect(&entry.expect("an entry").path(), found);
        }
        return;
    }
    let source = fs::read_to_string(path).expect("the file can be read");
    let mut rest = source.as_str();
    while let Some(at) = rest.find('"') {
        let literal = &rest[at + 1..];
        let end = end_of(literal);
        let text = &literal[..end];
        if VERBS.iter().any(|verb| text.starts_with(verb)) {
            let line = source[..source.len() - literal.len()].lines().count();
            found.push((format!("{}:{line}", path.display()), text.replace("\\\"", "\"").replace("\\n", "\n")));
        }
        rest = literal.get(end + 1..).unwrap_or_default();
    }
}

/// Where the literal ends: at the first quotation mark that is not escaped.
fn end_of(literal: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in literal.bytes().enumerate() {
        match byte {
            b'"' if !escaped => return at,
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    literal.len()
}

on_both! {
    async fn every_statement_is_understood(place: Place) {
        let store = place.open().await;
        let statements = statements();
        assert!(statements.len() > 50, "the search for statements finds too few: {}", statements.len());
        let mut wrong = Vec::new();
        for (at, sql) in statements {
            // A refused statement ends a transaction on PostgreSQL: one read each.
            let refused = store.read(move |snapshot| async move {
                snapshot.prepare(&sql).await.map_err(|error| StoreError::Database(format!("{error}\n    {sql}")))
            });
            if let Err(error) = refused.await {
                wrong.push(format!("{at}: {error}"));
            }
        }
        assert!(wrong.is_empty(), "{} statements are refused:\n{}", wrong.len(), wrong.join("\n"));
    }
}
