//! The power-cut layer against `SQLite`, which is known to keep its promises: what it promises survives, and what it does
//! not promise is found to be lost. A layer that lost nothing would pass the first test and fail the second.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use domicile_testkit::fuse::{Mounted, Unsynced};
use rusqlite::Connection;

const MESSAGES: i64 = 200;

/// Writes `MESSAGES` rows, each acknowledged by its commit, cuts the power while the connection is open, and returns how
/// many are there after the next start: none if the database cannot be read any more.
fn rows_after_a_cut(synchronous: &str, unsynced: Unsynced) -> Result<i64> {
    let folder = tempfile::tempdir()?;
    let (backing, mountpoint) = (folder.path().join("backing"), folder.path().join("mounted"));
    let disk = Mounted::mount(&backing, &mountpoint)?;
    let connection = open(&mountpoint, synchronous)?;
    connection.execute_batch("CREATE TABLE message (id INTEGER PRIMARY KEY, body TEXT NOT NULL)")?;
    for id in 0..MESSAGES {
        connection.execute("INSERT INTO message VALUES (?1, ?2)", (id, "x".repeat(700)))?;
        if id == MESSAGES / 2 {
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        }
    }
    disk.cut(unsynced)?;
    let refused = connection.execute("INSERT INTO message VALUES (?1, '')", [MESSAGES]);
    assert!(refused.is_err(), "a commit was acknowledged after the power was cut");
    // Closing fails for want of power, which is all that is left to a program then.
    connection.close().ok();
    disk.unmount()?;

    let disk = Mounted::mount(&backing, &mountpoint)?;
    let rows = count(&mountpoint);
    disk.unmount()?;
    Ok(rows.unwrap_or(0))
}

fn open(folder: &Path, synchronous: &str) -> Result<Connection> {
    let connection = Connection::open(folder.join("test.db"))?;
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", synchronous)?;
    Ok(connection)
}

fn count(folder: &Path) -> Result<i64> {
    let connection = Connection::open(folder.join("test.db"))?;
    let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    if check != "ok" {
        bail!("the database is damaged: {check}");
    }
    Ok(connection.query_row("SELECT count(*) FROM message", [], |row| row.get(0))?)
}

#[test]
fn with_full_synchronisation_nothing_acknowledged_is_lost() -> Result<()> {
    assert_eq!(rows_after_a_cut("FULL", Unsynced::Lost)?, MESSAGES);
    for seed in 1..6 {
        assert_eq!(rows_after_a_cut("FULL", Unsynced::Torn(seed))?, MESSAGES, "seed {seed}");
    }
    Ok(())
}

#[test]
fn without_synchronisation_the_loss_is_found() -> Result<()> {
    let rows = rows_after_a_cut("OFF", Unsynced::Lost)?;
    assert!(rows < MESSAGES, "all {rows} rows survived a power cut without a single fsync");
    Ok(())
}

/// The same from outside: a process that is killed after the cut, as `cargo xtask crash` does with the server.
#[test]
fn a_killed_process_leaves_what_was_synced() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (backing, mountpoint) = (folder.path().join("backing"), folder.path().join("mounted"));
    let disk = Mounted::mount(&backing, &mountpoint)?;
    let script = "printf synced > a && sync a && sync . && printf lost > b && echo ready && cat";
    let mut shell = Command::new("sh")
        .args(["-c", script])
        .current_dir(&mountpoint)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    wait_for_a_line(&mut shell)?;
    assert_eq!(std::fs::read_to_string(mountpoint.join("b"))?, "lost");
    disk.cut(Unsynced::Lost)?;
    shell.kill()?;
    shell.wait()?;
    // The shell's own child leaves the mounted folder a moment later.
    std::thread::sleep(Duration::from_millis(100));
    disk.unmount()?;
    assert_eq!(std::fs::read_to_string(backing.join("tree/a"))?, "synced");
    assert!(!backing.join("tree/b").exists(), "a file without fsync survived");
    Ok(())
}

fn wait_for_a_line(child: &mut Child) -> Result<()> {
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.as_mut().context("its output")?), &mut line)?;
    Ok(())
}
