//! What both engines promise: every test here runs on SQLite and on PostgreSQL.

mod batches;
mod fixture;
mod keystore;
mod migrations;
mod numbers;
mod positions;
mod snapshots;
mod statements;
