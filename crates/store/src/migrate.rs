//! Numbered, forward-only changes of the schema, embedded in the binary and checked at every start.

use domicile_core::plural::counted;
use rusqlite::Connection;
use sha2::{Digest, Sha256};

use crate::{StoreError, engine::dialect};

/// One change.
pub struct Migration {
    /// From 1, without gaps.
    pub number: i64,
    /// What it does, as in its file's name.
    pub name: &'static str,
    /// The statements, in the common subset.
    pub sql: &'static str,
}

/// All changes, in order.
pub const MIGRATIONS: &[Migration] =
    &[Migration { number: 1, name: "initial", sql: include_str!("../migrations/0001_initial.sql") }];

impl Migration {
    /// Tells whether the file changed after it was applied.
    pub fn checksum(&self) -> String {
        Sha256::digest(self.sql.as_bytes()).iter().fold(String::with_capacity(64), |mut text, byte| {
            use std::fmt::Write;
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

/// The table that remembers what was applied.
pub const APPLIED: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (number BIGINT PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL)";

/// What is left to do for a database to which `applied` (number, checksum) was done.
pub fn plan(applied: &[(i64, String)]) -> Result<&'static [Migration], StoreError> {
    for (index, (number, checksum)) in applied.iter().enumerate() {
        match MIGRATIONS.get(index) {
            None => {
                return Err(StoreError::Schema(format!(
                    "the database has migration {number}, this program knows {} only: it was written by a newer version. \
                     Start that version, or restore a backup made before the upgrade.",
                    MIGRATIONS.len()
                )));
            }
            Some(known) if known.number != *number || known.checksum() != *checksum => {
                return Err(StoreError::Schema(format!(
                    "migration {number} of the database is not the one of this program ({}): they come from different sources. \
                     Start the program that made the database.",
                    known.name
                )));
            }
            Some(_) => {}
        }
    }
    Ok(&MIGRATIONS[applied.len()..])
}

/// What is said of a database that is none of Domicile's.
pub(crate) const FOREIGN: &str = "this is no database of Domicile, or none that its server has begun to use";

/// Whether nothing is left to do for a database that is only read.
pub(crate) fn is_done(applied: &[(i64, String)]) -> Result<(), StoreError> {
    match plan(applied)? {
        [] => Ok(()),
        left => Err(StoreError::Schema(format!(
            "the database lacks {} that this program knows: an older version wrote it last. Read it with the program of that version, or \
             start the server of this version on it first.",
            counted(left.len() as u64, "migration", "migrations")
        ))),
    }
}

/// The same of a SQLite database.
pub(crate) fn is_done_sqlite(connection: &Connection) -> Result<(), StoreError> {
    let is_ours = "SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migrations'";
    if connection.query_row(is_ours, [], |row| row.get::<_, i64>(0))? == 0 {
        return Err(StoreError::Schema(FOREIGN.to_owned()));
    }
    is_done(&applied(connection)?)
}

fn applied(connection: &Connection) -> rusqlite::Result<Vec<(i64, String)>> {
    connection
        .prepare("SELECT number, checksum FROM schema_migrations ORDER BY number")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// Brings a SQLite database up to date.
pub(crate) fn sqlite(connection: &mut Connection) -> Result<(), StoreError> {
    connection.execute_batch(&dialect::sqlite_schema(APPLIED))?;
    for migration in plan(&applied(connection)?)? {
        let transaction = connection.transaction()?;
        transaction.execute_batch(&dialect::sqlite_schema(migration.sql))?;
        transaction.execute(
            "INSERT INTO schema_migrations (number, name, checksum) VALUES ($1, $2, $3)",
            (migration.number, migration.name, migration.checksum()),
        )?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_or_foreign_database_is_refused() {
        let done: Vec<(i64, String)> = MIGRATIONS.iter().map(|known| (known.number, known.checksum())).collect();
        assert!(plan(&done).unwrap().is_empty());
        let mut newer = done.clone();
        newer.push((99, "x".to_owned()));
        assert!(plan(&newer).err().unwrap().to_string().contains("newer version"));
        assert!(plan(&[(1, "other".to_owned())]).err().unwrap().to_string().contains("different sources"));
        assert_eq!(plan(&[]).unwrap().len(), MIGRATIONS.len());
        assert!(is_done(&done).is_ok());
        assert!(is_done(&[]).err().unwrap().to_string().contains("older version"));
    }
}
