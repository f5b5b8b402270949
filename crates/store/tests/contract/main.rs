//! What both engines promise: every test here runs on SQLite and on PostgreSQL.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a step of a test that fails ends the test"
)]

mod backup;
mod batches;
mod catalogue;
mod directory_names;
mod fixture;
mod key_incidents;
mod keystore;
mod migrations;
mod new_regions;
mod numbers;
mod outages;
mod positions;
mod reading;
mod search;
mod snapshots;
mod statements;
mod walk;
