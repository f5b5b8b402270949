//! PostgreSQL: its own `pg_dump` and `pg_restore`, driven as child processes.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use tokio_postgres::config::Host;

use super::{
    BackupError,
    forget::{self, NewLife},
};
use crate::engine::postgres::{Address, PlainConnector};

/// Copies the database as it is at this moment.
pub(super) async fn dump(url: &str, to: &Path) -> Result<(), BackupError> {
    let mut command = program("pg_dump", url)?;
    command.args(["--format=custom", "--no-owner", "--no-privileges", "--schema=public"]);
    command.args(forget::LEFT_OUT.iter().map(|table| format!("--exclude-table-data=public.{table}")));
    command.arg("--file").arg(to);
    run("pg_dump", command).await
}

/// Refuses a database in which there is something.
pub(super) async fn check_empty(url: &str) -> Result<(), BackupError> {
    let connection = PlainConnector::new(url)?.connect().await?;
    let tables = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'public'";
    let rows = connection.query(tables, &[]).await?;
    let count = rows.first().map_or(Ok(0), |row| row.int(0))?;
    if count > 0 {
        return Err(BackupError::Wrong(format!(
            "there are {count} tables in the PostgreSQL database already: make an empty one and restore into that"
        )));
    }
    Ok(())
}

/// Fills an empty database and makes it fit.
pub(super) async fn load(url: &str, from: &Path, life: &NewLife) -> Result<(), BackupError> {
    let mut command = program("pg_restore", url)?;
    // The schema itself is there already.
    command.args([
        "--no-owner",
        "--no-privileges",
        "--exit-on-error",
        "--single-transaction",
        "--clean",
        "--if-exists",
    ]);
    command.arg("--dbname").arg(database(url)?).arg(from);
    run("pg_restore", command).await?;
    let connection = PlainConnector::new(url)?.connect().await?;
    connection.batch(&format!("BEGIN;\n{}COMMIT;", life.statements())).await?;
    Ok(())
}

fn database(url: &str) -> Result<String, BackupError> {
    let config = Address::parse(url)?.config;
    let name = config.get_dbname().or_else(|| config.get_user());
    name.map(str::to_owned).ok_or_else(|| BackupError::Wrong("the address of PostgreSQL names no database".to_owned()))
}

/// The program with the way to the server in its environment: other people on the machine can read arguments.
fn program(name: &'static str, url: &str) -> Result<Command, BackupError> {
    let Address { config, root_certificate } = Address::parse(url)?;
    let mut command = Command::new(name);
    command.env("PGDATABASE", database(url)?).env("PGCONNECT_TIMEOUT", "10");
    match root_certificate {
        Some(path) => command.env("PGSSLMODE", "verify-full").env("PGSSLROOTCERT", path),
        None => command.env("PGSSLMODE", "disable"),
    };
    match config.get_hosts().first() {
        Some(Host::Tcp(host)) => {
            command.env("PGHOST", host);
        }
        #[cfg(unix)]
        Some(Host::Unix(folder)) => {
            command.env("PGHOST", folder);
        }
        None => {}
    }
    if let Some(port) = config.get_ports().first() {
        command.env("PGPORT", port.to_string());
    }
    if let Some(user) = config.get_user() {
        command.env("PGUSER", user);
    }
    if let Some(password) = config.get_password() {
        command.env("PGPASSWORD", String::from_utf8_lossy(password).as_ref());
    }
    Ok(command)
}

async fn run(name: &'static str, mut command: Command) -> Result<(), BackupError> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let ended = super::blocking(move || Ok(command.output())).await?.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => BackupError::Program {
            program: name,
            said: "it is not installed; it comes with PostgreSQL's client (Debian: apt-get install postgresql-client)"
                .to_owned(),
        },
        _ => BackupError::Program { program: name, said: error.to_string() },
    })?;
    if ended.status.success() {
        return Ok(());
    }
    Err(BackupError::Program { program: name, said: String::from_utf8_lossy(&ended.stderr).trim().to_owned() })
}
