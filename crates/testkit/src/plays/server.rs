//! The server on the stage: one of this repository's, which can be killed, or any other by its URL, which cannot.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::process;
use crate::port::Port;
use crate::postgres::Database;

/// How long a server may take from its start to its first answer.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// A homeserver.
#[derive(Debug)]
pub enum Homeserver {
    /// Ours.
    Ours(Killable),
    /// Somebody else's, or one that somebody else started.
    Other(SocketAddr),
}

impl Homeserver {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::Ours(server) => server.port.address(),
            Self::Other(address) => *address,
        }
    }

    /// The folders with its data, where they can be known: its own, and the database server's.
    pub fn data(&self) -> Vec<PathBuf> {
        match self {
            Self::Ours(server) => {
                let database = server.database.as_ref().map(|database| PathBuf::from(database.folder()));
                std::iter::once(server.data.clone()).chain(database).collect()
            }
            Self::Other(_) => Vec::new(),
        }
    }

    /// Kills it and starts it again; does nothing where it is not ours to kill.
    pub fn kill_and_start(&mut self) -> Result<()> {
        match self {
            Self::Ours(server) => {
                server.kill()?;
                server.start()
            }
            Self::Other(_) => Ok(()),
        }
    }
}

/// A server of this repository, with its own folder.
#[derive(Debug)]
pub struct Killable {
    program: PathBuf,
    folder: PathBuf,
    data: PathBuf,
    port: Port,
    database: Option<Database>,
    process: Option<Child>,
}

impl Killable {
    /// Starts `program` with its configuration, data and log in `folder`: registration open, no rate limits. It stores in
    /// a database of `PostgreSQL` where one is given.
    pub fn launch(program: &Path, folder: &Path, database: Option<Database>) -> Result<Self> {
        let port = Port::take()?;
        let program = program.canonicalize().with_context(|| format!("there is no program {}", program.display()))?;
        let data = folder.join("data");
        let config = folder.join("domicile.toml");
        let url = database.as_ref().map(Database::address);
        fs::write(&config, configuration(port.address(), &data, url.as_deref()))
            .with_context(|| format!("writing {}", config.display()))?;
        let mut server = Self { program, folder: folder.to_owned(), data, port, database, process: None };
        server.start()?;
        Ok(server)
    }

    fn start(&mut self) -> Result<()> {
        let log = self.folder.join("server.log");
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(self.folder.join("domicile.toml")).arg("serve").current_dir(&self.folder);
        let process = process::spawn(&mut command, &log)?;
        let process = self.process.insert(process);
        let mut waited = Duration::ZERO;
        while TcpStream::connect_timeout(&self.port.address(), PAUSE * 10).is_err() {
            if let Some(status) = process.try_wait().context("asking whether the server runs")? {
                bail!("the server ended while it started ({status}):\n{}", process::last_words(&log));
            }
            if waited > PATIENCE {
                bail!("the server did not listen within {PATIENCE:?}; see {}", log.display());
            }
            sleep(PAUSE);
            waited += PAUSE;
        }
        Ok(())
    }

    fn kill(&mut self) -> Result<()> {
        let mut process = self.process.take().context("the server does not run")?;
        if let Some(status) = process.try_wait().context("asking whether the server runs")? {
            bail!("the server ended by itself ({status}); see {}", self.folder.join("server.log").display());
        }
        process.kill().context("killing the server")?;
        process.wait().context("waiting for the killed server").map(drop)
    }
}

impl Drop for Killable {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended already, which is as good.
            process.kill().ok();
            process.wait().ok();
        }
    }
}

fn configuration(address: SocketAddr, data: &Path, database: Option<&str>) -> String {
    let limits =
        ["login_address", "login_account", "registration", "messages", "invites", "joins", "uploads", "searches"];
    let limits = limits.map(|name| format!("{name} = \"off\"\n")).concat();
    let database = database.map(|url| format!("[database]\nurl = \"{url}\"\n\n")).unwrap_or_default();
    format!(
        "{database}[server]\ndata_dir = \"{}\"\n\n[[listeners]]\nbind = \"{address}\"\nserve = [\"client\", \"media\", \"health\"]\n\n\
         [registration]\nmode = \"open\"\n\
         open_to_everybody = \"yes, I know that anybody can make accounts\"\n\n[rate_limits]\n{limits}",
        data.display()
    )
}
