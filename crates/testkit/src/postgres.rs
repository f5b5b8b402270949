//! Fresh `PostgreSQL` databases for tests.
//!
//! The server is the one that `cargo xtask test` started and named in [`ADDRESS_VARIABLE`]; without the variable (a plain
//! `cargo test`) the first test of the process starts one, which ends with the process.

use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result, anyhow, bail};

pub mod server;

use server::Server;

/// The environment variable with the address of a server on which tests may make databases, as `key=value` pairs.
pub const ADDRESS_VARIABLE: &str = "DOMICILE_TEST_POSTGRES";

static OWN: OnceLock<Result<Server, String>> = OnceLock::new();
static COUNT: AtomicU32 = AtomicU32::new(0);

/// An empty database for one test; dropped with it.
#[derive(Debug)]
pub struct Database {
    server: String,
    name: String,
}

impl Database {
    /// Makes an empty database with a name of its own.
    ///
    /// Blocks for some tens of milliseconds. An error says why there is no server, or what it answered.
    pub fn create() -> Result<Self> {
        let server = address()?;
        let name = format!("test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let database = Self { server, name };
        // A process that was killed may have left a database under the number that this one has now.
        database.administer(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", database.name))?;
        database.administer(&format!("CREATE DATABASE {} TEMPLATE template0", database.name))?;
        Ok(database)
    }

    /// How to connect to it, as `key=value` pairs (`host=… user=… dbname=…`).
    pub fn address(&self) -> String {
        format!("{} dbname={}", self.server, self.name)
    }

    /// The folder of the private server that holds it; with a server that was given, its socket's folder or its host.
    pub fn folder(&self) -> &str {
        self.server.split_whitespace().find_map(|pair| pair.strip_prefix("host=")).unwrap_or_default()
    }

    fn administer(&self, statement: &str) -> Result<()> {
        let programs = server::programs().context("`psql` is not on this machine; `cargo xtask test` installs it")?;
        let output = Command::new(programs.join("psql"))
            .args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"])
            .arg(format!("--dbname={} dbname=postgres", self.server))
            .arg(format!("--command={statement}"))
            .output()
            .context("running psql")?;
        if output.status.success() {
            return Ok(());
        }
        bail!(
            "PostgreSQL at `{}` refused `{statement}`: {}",
            self.server,
            String::from_utf8_lossy(&output.stderr).trim()
        )
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A server that is already gone took the database with it.
        self.administer(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name)).ok();
    }
}

/// The address of the server on which this process makes its databases.
fn address() -> Result<String> {
    if let Ok(given) = std::env::var(ADDRESS_VARIABLE) {
        return Ok(given);
    }
    match OWN.get_or_init(|| Server::start().map_err(|error| format!("{error:#}"))) {
        Ok(server) => Ok(server.address().to_owned()),
        Err(why) => Err(anyhow!("{why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_empty_and_gone_afterwards() -> Result<()> {
        let database = Database::create()?;
        let other = Database::create()?;
        assert_ne!(database.address(), other.address());
        let ask = |address: &str| -> Result<String> {
            let psql = server::programs().context("psql")?.join("psql");
            let tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'";
            let out = Command::new(psql).arg("-Atqc").arg(tables).arg(format!("--dbname={address}")).output()?;
            Ok(String::from_utf8(if out.status.success() { out.stdout } else { out.stderr })?)
        };
        assert_eq!(ask(&database.address())?.trim(), "0");
        let address = database.address();
        drop(database);
        assert!(ask(&address)?.contains("does not exist"), "the database outlived its test");
        Ok(())
    }
}
