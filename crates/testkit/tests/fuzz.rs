//! The checks of `fuzz/` with the corpus and with random mutations of it, in every run of the tests.
//!
//! A finding of cargo-fuzz goes into the corpus, and so becomes a test.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use proptest::prelude::{Strategy as _, any};
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

#[path = "../../../fuzz/checks/event_validation.rs"]
#[expect(unreachable_pub, reason = "the file is a module of the fuzz targets, too")]
mod event_validation;
#[path = "../../../fuzz/checks/filters.rs"]
#[expect(unreachable_pub, reason = "the file is a module of the fuzz targets, too")]
mod filters;
#[path = "../../../fuzz/checks/join_answer.rs"]
#[expect(unreachable_pub, reason = "the file is a module of the fuzz targets, too")]
mod join_answer;
#[path = "../../../fuzz/checks/pdu_receive.rs"]
#[expect(unreachable_pub, reason = "the file is a module of the fuzz targets, too")]
mod pdu_receive;
#[path = "../../../fuzz/checks/registers.rs"]
#[expect(unreachable_pub, reason = "the file is a module of the fuzz targets, too")]
mod registers;
#[path = "../../../fuzz/checks/transaction.rs"]
#[expect(unreachable_pub, reason = "the file is a module of the fuzz targets, too")]
mod transaction;

/// What JSON is made of, and what readers of it stumble over.
const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    ",",
    ":",
    "null",
    "true",
    "-0",
    "1e400",
    "9007199254740992",
    "0.1",
    "\\ud800",
    "\\u0000",
    "\u{feff}",
    "\"\":",
    "{\"a\":1}",
    "[[[[[[[[[[[[[[[[",
    "@a:b",
    "!a",
    "$",
    "\u{202e}",
    "\n",
    "\0",
];

/// What may stand where something else is expected.
const VALUES: &[&str] = &[
    "null",
    "true",
    "0",
    "-1",
    "100",
    "9007199254740991",
    "-9007199254740991",
    "1.5",
    "\"\"",
    "\"50\"",
    "\"join\"",
    "\"@alice:example.org\"",
    "\"!r:example.org\"",
    "\"\\u0000\\u2028\\\"\"",
    "[]",
    "{}",
    "[[]]",
    "{\"\":{}}",
    "[\"@bob:example.com\",\"@bob:example.com\"]",
    "{\"@alice:example.org\":9007199254740991}",
];

const CASES: u32 = 20_000;

#[test]
fn event_validation_never_panics() -> Result<()> {
    mutate("event_validation", event_validation::run)
}

#[test]
fn filters_never_panic() -> Result<()> {
    mutate("filters", filters::run)
}

#[test]
fn events_of_other_servers_never_panic() -> Result<()> {
    mutate("pdu_receive", pdu_receive::run)
}

#[test]
fn transactions_never_panic() -> Result<()> {
    mutate("transaction", transaction::run)
}

#[test]
fn answers_to_joins_never_panic() -> Result<()> {
    mutate("join_answer", join_answer::run)
}

#[test]
fn registers_of_what_is_blocked_never_panic() -> Result<()> {
    mutate("registers", registers::run)
}

/// One change of some bytes, at a place that is given as a fraction of their length.
#[derive(Debug, Clone)]
enum Change {
    Byte(f64, u8),
    Piece(f64, usize),
    Remove(f64, usize),
    /// A part of another entry of the corpus.
    Splice(f64, usize, f64, usize),
    /// Another value in place of one of the JSON's values, so that the whole stays JSON.
    Value(usize, usize),
}

/// Runs a check on each entry of its corpus, and on random mutations of them.
fn mutate(name: &str, check: fn(&[u8])) -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    let mut corpus = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("listing {}", folder.display()))? {
        corpus.push(fs::read(entry?.path())?);
    }
    corpus.sort();
    assert!(!corpus.is_empty(), "the corpus of {name} is empty");
    for entry in &corpus {
        check(entry);
    }

    let place = || 0.0..1.0_f64;
    let change = proptest::prop_oneof![
        1 => (place(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        1 => (place(), 0..PIECES.len()).prop_map(|(at, piece)| Change::Piece(at, piece)),
        1 => (place(), 1..40_usize).prop_map(|(at, len)| Change::Remove(at, len)),
        1 => (place(), 0..corpus.len(), place(), 1..80_usize)
            .prop_map(|(at, which, from, len)| Change::Splice(at, which, from, len)),
        6 => (0..40_usize, 0..VALUES.len()).prop_map(|(which, value)| Change::Value(which, value)),
    ];
    let input = (0..corpus.len(), proptest::collection::vec(change, 1..8));
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    runner
        .run(&input, |(entry, changes)| {
            let mut bytes = corpus[entry].clone();
            for change in &changes {
                apply(change, &mut bytes, &corpus);
            }
            check(&bytes);
            Ok(())
        })
        .with_context(|| format!("a mutation of the corpus of {name}"))
}

fn apply(change: &Change, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
    match *change {
        Change::Byte(place, byte) => {
            let at = position(place, bytes.len());
            if let Some(old) = bytes.get_mut(at) {
                *old = byte;
            }
        }
        Change::Piece(place, piece) => {
            let at = position(place, bytes.len());
            bytes.splice(at..at, PIECES[piece].bytes());
        }
        Change::Remove(place, len) => {
            let at = position(place, bytes.len());
            bytes.drain(at..bytes.len().min(at + len));
        }
        Change::Splice(place, which, from, len) => {
            let at = position(place, bytes.len());
            let from = position(from, corpus[which].len());
            bytes.splice(at..at, corpus[which].iter().skip(from).take(len).copied());
        }
        Change::Value(which, value) => {
            let start = bytes.iter().position(|byte| *byte == b'{').unwrap_or(bytes.len());
            let json = serde_json::from_slice::<Value>(&bytes[start..]);
            if let (Ok(mut json), Ok(value)) = (json, serde_json::from_str(VALUES[value])) {
                replace(&mut json, &mut { which }, &value);
                bytes.truncate(start);
                bytes.extend(json.to_string().bytes());
            }
        }
    }
}

/// Replaces the value that is number `which`, counted from the outside.
fn replace(json: &mut Value, which: &mut usize, value: &Value) {
    let inner: Vec<&mut Value> = match json {
        Value::Object(object) => object.values_mut().collect(),
        Value::Array(array) => array.iter_mut().collect(),
        _ => return,
    };
    for inner in inner {
        if *which == 0 {
            *inner = value.clone();
            return;
        }
        *which -= 1;
        replace(inner, which, value);
    }
}

/// A fraction of a length as an index.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "any index will do"
)]
fn position(place: f64, len: usize) -> usize {
    ((place * len as f64) as usize).min(len)
}
