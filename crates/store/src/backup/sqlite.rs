//! SQLite: a consistent copy beside the running writer, and putting one in place.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::{
    BackupError,
    archive::Temporary,
    forget::{self, NewLife},
};
use crate::migrate;

/// Copies the database as it is at this moment, without what was deleted from it and without what no backup holds.
///
/// Writers go on meanwhile; their log grows until the copy is done.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(), BackupError> {
    let live = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    live.busy_timeout(std::time::Duration::from_secs(10))?;
    let path = to.to_str().ok_or_else(|| BackupError::Wrong(format!("{} is no UTF-8 name", to.display())))?;
    live.execute("VACUUM INTO ?1", [path])?;
    drop(live);
    let copy = Connection::open(to)?;
    copy.execute_batch("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA secure_delete = ON;")?;
    for table in forget::LEFT_OUT {
        copy.execute(&format!("DELETE FROM {table}"), [])?;
    }
    Ok(())
}

pub(super) fn check_absent(path: &Path) -> Result<(), BackupError> {
    if path.exists() {
        return Err(BackupError::Wrong(format!(
            "there is a database at {} already: move it away, or restore into another data folder",
            path.display()
        )));
    }
    Ok(())
}

/// Makes the unpacked database fit, checks it, and puts it where the server looks for it.
pub(super) fn put_in_place(copy: &Temporary, path: &Path, life: &NewLife) -> Result<(), BackupError> {
    let connection = Connection::open(copy.path())?;
    connection.execute_batch("PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;")?;
    let sound: String = connection.query_row("PRAGMA quick_check", [], |row| row.get(0))?;
    if sound != "ok" {
        return Err(BackupError::Wrong(format!("the database in the backup is damaged: {sound}")));
    }
    let applied: Vec<(i64, String)> = connection
        .prepare("SELECT number, checksum FROM schema_migrations ORDER BY number")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    migrate::plan(&applied)?;
    connection.execute_batch(&format!("BEGIN;\n{}COMMIT;", life.statements()))?;
    connection.close().map_err(|(_, error)| error)?;
    copy.put(path)
}
