//! What a report says, and first of all what it does not.

use domicile_core::clock::DAY_MS;
use domicile_store::table::backups;
use serde_json::{Value, json};

use super::{AuditsParts, Measured, push_gateways::PushGateways};
use crate::{
    Result,
    evidence::{Basis, program},
};

/// What no audit of a cell can tell, with the reason. The first thing that a report says.
const NOT_COVERED: [(&str, &str); 9] = [
    (
        "Matrix ids in membership events and receipts",
        "A room cannot work without knowing who is in it. Ids of people whose home is elsewhere stand in copies of rooms that they share with \
         people here, and ids of people whose home is here stand in copies elsewhere.",
    ),
    (
        "Room names, topics and other state",
        "Every copy of a room has its state in clear text, wherever its members live.",
    ),
    (
        "Messages in rooms that are not encrypted",
        "They stand in every copy of the room. Encrypted ones stand there, too, as ciphertext that the service cannot open.",
    ),
    (
        "Other people's servers and devices",
        "What was sent to another server, or read by a person's client, is out of this service's hands. The ledger counts what was sent.",
    ),
    (
        "Backups until they expire",
        "What was erased is in older backups. What is sealed there cannot be opened once the key is destroyed; the rest can.",
    ),
    (
        "Routes: which cell somebody's home is",
        "Whoever passes a request on has to know where to. It is no part of a vault.",
    ),
    (
        "Where disks, buckets and processors are",
        "No program can see in which country a disk stands. What is said about it is declared by the operator.",
    ),
    (
        "What happens outside the program",
        "Whoever has the machine can copy the database, its logs and its memory without the program noticing.",
    ),
    (
        "What was written while the audit ran",
        "The tables are walked in steps, so that the server can go on. A row that came or went meanwhile may be counted or not.",
    ),
];

/// Backups that a report lists at most: the latest.
const BACKUPS: i64 = 1_000;

/// Days of the ledger that stand in a report.
const LEDGER_DAYS: i64 = 30;

pub(super) async fn body(
    parts: &AuditsParts,
    (measured, push_gateways): (&Measured, &PushGateways),
    began_ts: i64,
    rooms_file: &str,
) -> Result<Value> {
    let not_covered: Vec<Value> = NOT_COVERED.iter().map(|(what, why)| json!({ "what": what, "why": why })).collect();
    let backups = parts.store.read(|snapshot| async move { backups::latest(&snapshot, BACKUPS).await }).await?;
    let cell = parts.localities.cells().map(|cells| {
        let own = &cells.own;
        json!({ "name": own.name().as_str(), "region": own.region().as_str(), "document_serial": own.document().serial })
    });
    let today = parts.clock.now_ms().div_euclid(DAY_MS);
    let crossings = parts.ledger.between(today - LEDGER_DAYS, today).await?;
    Ok(json!({
        "not_covered": not_covered,
        "passed": measured.foreign() == 0,
        "cell": cell,
        "began_ts": began_ts,
        "ended_ts": parts.clock.now_ms(),
        "program": { "basis": Basis::Measured, "is": program::running().await? },
        "homes": { "basis": Basis::Measured, "people": measured.homes },
        "tables": { "basis": Basis::Measured, "all": measured.tables },
        "keystore": { "basis": Basis::Measured, "keys": measured.keys, "foreign": measured.findings.keys },
        "rooms": { "basis": Basis::Measured, "list": rooms_file, "is": measured.rooms },
        "foreign": { "basis": Basis::Measured, "rows": measured.foreign(), "named": measured.findings.named },
        "access_log": { "basis": Basis::Measured, "is": parts.access_log.check().await? },
        "ledger": { "basis": Basis::Measured, "days": LEDGER_DAYS, "crossings": crossings },
        "push_gateways": { "basis": Basis::Measured, "is": push_gateways },
        "processors": { "basis": Basis::Declared, "all": parts.declared.processors },
        "storage": { "basis": Basis::Declared, "engine": parts.declared.engine, "places": parts.declared.storage },
        "backups": { "basis": Basis::Declared, "all": backups },
        "observed_by_other_cells": { "basis": Basis::Observed, "all": [] },
    }))
}
