//! One cell: a process of `domicile` with its own folder and its own key, which can be stopped, killed and asked by the command line.

#![expect(clippy::disallowed_methods, reason = "a play goes on in real time")]

use std::fs;
use std::mem;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use domicile_residency::deployment::SecretKey;
use serde_json::Value;

use crate::driver::{Driver, Program};
use crate::link::Foothold;
use crate::plays::{federation::http, process};
use crate::port::Port;
use crate::postgres::server::Server as Postgres;
use crate::server::CertificateFiles;

/// How long a cell may take from its start to its first answer, and from being told to stop to its end.
const PATIENCE: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(20);
/// The database in a PostgreSQL that nobody else uses.
const DATABASE: &str = "postgres";

/// What a cell's configuration says.
pub(super) struct Site<'s> {
    pub(super) name: &'s str,
    pub(super) clients: SocketAddr,
    pub(super) inner: SocketAddr,
    pub(super) root_key: &'s str,
    pub(super) server_name: &'s str,
    /// Lines at the end.
    pub(super) more: &'s str,
    /// The host that it is on, if it is not this machine.
    pub(super) foothold: Option<Foothold>,
    /// Where other servers come in, and what it proves to them that it is, if they do.
    pub(super) outside: Option<(SocketAddr, &'s CertificateFiles)>,
    /// What is kept free for it as long as it is there.
    pub(super) ports: Vec<Port>,
}

/// A cell. It is killed when it is dropped.
#[derive(Debug)]
pub struct Cell {
    name: String,
    program: PathBuf,
    folder: PathBuf,
    /// Where its people's clients connect.
    pub clients: SocketAddr,
    database: Option<Postgres>,
    process: Option<Child>,
    foothold: Option<Foothold>,
    _ports: Vec<Port>,
}

impl Cell {
    /// Writes the configuration of a cell that does not run yet.
    pub(super) fn make(program: &Path, folder: &Path, mut site: Site<'_>, database: Option<Postgres>) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        let cell = Self {
            name: site.name.to_owned(),
            program: program.to_owned(),
            folder: folder.to_owned(),
            clients: site.clients,
            database,
            process: None,
            foothold: site.foothold.clone(),
            _ports: mem::take(&mut site.ports),
        };
        let file = cell.config_file();
        fs::write(&file, cell.configuration(&site)).with_context(|| format!("writing {}", file.display()))?;
        Ok(cell)
    }

    fn configuration(&self, site: &Site<'_>) -> String {
        let limits =
            ["login_address", "login_account", "registration", "messages", "invites", "joins", "uploads", "searches"];
        let limits = limits.map(|name| format!("{name} = \"off\"\n")).concat();
        let database = self.database.as_ref().map(|database| format!("{} dbname={DATABASE}", database.address()));
        let database = database.map(|url| format!("[database]\nurl = \"{url}\"\n\n")).unwrap_or_default();
        let outside = site.outside.map(|(servers, files)| outside(servers, files)).unwrap_or_default();
        format!(
            "[server]\nname = \"{}\"\ndata_dir = \"{}\"\n\n{database}\
             [deployment]\nfile = \"{}\"\ncell = \"{}\"\nroot_key = \"{}\"\nkey_file = \"{}\"\n\n\
             [[listeners]]\nbind = \"{}\"\nserve = [\"client\", \"media\", \"health\"]\ntrusted_proxies = [\"127.0.0.1\"]\n\n\
             [[listeners]]\nbind = \"{}\"\nserve = [\"inner\"]\n\n{outside}\
             [registration]\nmode = \"open\"\nopen_to_everybody = \"yes, I know that anybody can make accounts\"\nchosen_names = true\n\n\
             [passwords]\nmemory = \"64K\"\niterations = 1\n\n[rate_limits]\n{limits}\n{}",
            site.server_name,
            self.data().display(),
            self.document_file().display(),
            self.name,
            site.root_key,
            self.key_file().display(),
            site.clients,
            site.inner,
            site.more,
        )
    }

    /// The folder with all that is its own.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder with its data.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The folder of its PostgreSQL, if it has one: the cluster, its log and what it writes ahead.
    pub fn database_folder(&self) -> Option<PathBuf> {
        let address = self.database.as_ref()?.address();
        address.split_whitespace().find_map(|pair| pair.strip_prefix("host=")).map(PathBuf::from)
    }

    /// What its PostgreSQL is called, if it has one.
    pub fn database_address(&self) -> Option<String> {
        self.database.as_ref().map(|database| format!("{} dbname={DATABASE}", database.address()))
    }

    pub(super) fn document_file(&self) -> PathBuf {
        self.folder.join("deployment.toml")
    }

    pub(super) fn key_file(&self) -> PathBuf {
        self.folder.join("cell.key")
    }

    fn config_file(&self) -> PathBuf {
        self.folder.join("domicile.toml")
    }

    /// What it logs.
    pub fn log(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    /// Its secret key, as whoever takes its disk has it.
    pub fn secret_key(&self) -> Result<SecretKey> {
        let file = self.key_file();
        let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        SecretKey::parse(&text).with_context(|| format!("{} is no key file", file.display()))
    }

    /// Starts it, and waits until it answers clients and its operator.
    pub fn start(&mut self) -> Result<()> {
        let (began, data) = (Instant::now(), self.data());
        let process = process::spawn(&mut self.serving(), &self.log())?;
        let process = self.process.insert(process);
        loop {
            let clients = self.clients;
            let ask = move || http::exchange(clients, None, "GET", "/_matrix/client/versions", None);
            let answer = inside(self.foothold.as_ref(), ask)?;
            let operator = || UnixStream::connect(data.join("admin.sock"));
            if answer.is_ok_and(|(status, _)| status == 200) && operator().is_ok() {
                return Ok(());
            }
            if let Some(status) = process.try_wait().context("asking whether a cell runs")? {
                bail!("{} ended while it started ({status}):\n{}", self.name, process::last_words(&self.log()));
            }
            ensure!(began.elapsed() < PATIENCE, "{} did not answer; see {}", self.name, self.folder.display());
            sleep(PAUSE);
        }
    }

    /// Ends it the hard way.
    pub fn kill(&mut self) -> Result<()> {
        let mut process = self.process.take().with_context(|| format!("{} does not run", self.name))?;
        if let Some(status) = process.try_wait().context("asking whether a cell runs")? {
            bail!("{} ended by itself ({status}); see {}", self.name, self.log().display());
        }
        process.kill().with_context(|| format!("killing {}", self.name))?;
        process.wait().context("waiting for a killed cell").map(drop)
    }

    /// Tells it to stop, as a service manager does, and waits for its end.
    pub fn stop(&mut self) -> Result<()> {
        let mut process = self.process.take().with_context(|| format!("{} does not run", self.name))?;
        let told = Command::new("kill").arg(process.id().to_string()).status().context("running `kill`")?;
        ensure!(told.success(), "{} could not be told to stop", self.name);
        let began = Instant::now();
        loop {
            if let Some(status) = process.try_wait().context("asking whether a cell runs")? {
                ensure!(status.success(), "{} ended badly ({status}); see {}", self.name, self.log().display());
                return Ok(());
            }
            if began.elapsed() > PATIENCE {
                process.kill().context("killing a cell that does not stop")?;
                process.wait().context("waiting for a killed cell")?;
                bail!("{} did not stop within {PATIENCE:?}; see {}", self.name, self.log().display());
            }
            sleep(PAUSE);
        }
    }

    /// Does something where its people's clients are.
    pub(in crate::plays) fn inside<T: Send>(&self, act: impl FnOnce() -> T + Send) -> Result<T> {
        inside(self.foothold.as_ref(), act)
    }

    /// A client's program that is started where its people are.
    pub(in crate::plays) fn driver(&self, program: &Program, name: &str, folder: &Path) -> Result<Driver> {
        match &self.foothold {
            Some(foothold) => Driver::start_on(foothold, program, name, folder),
            None => Driver::start(program, name, folder),
        }
    }

    /// What serves. Commands of the operator reach it by its files, wherever they run.
    fn serving(&self) -> Command {
        let program = match &self.foothold {
            Some(foothold) => foothold.command(&self.program),
            None => Command::new(&self.program),
        };
        self.complete(program, &["serve"])
    }

    fn complete(&self, mut command: Command, arguments: &[&str]) -> Command {
        command.arg("--config").arg(self.config_file()).args(arguments).current_dir(&self.folder);
        command
    }

    /// Runs a command of the operator beside it; the output, whether it succeeded or not.
    pub fn run(&self, arguments: &[&str]) -> Result<Output> {
        let output = self.complete(Command::new(&self.program), arguments).stdin(Stdio::null()).output();
        output.with_context(|| format!("starting {}", self.program.display()))
    }

    /// Runs a command that must succeed and answers in JSON.
    pub fn json(&self, arguments: &[&str]) -> Result<Value> {
        let output = self.run(&[arguments, &["--json"][..]].concat())?;
        understood(arguments, &output).with_context(|| format!("at {}", self.name))
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended already, which is as good.
            process.kill().ok();
            process.wait().ok();
        }
    }
}

fn inside<T: Send>(foothold: Option<&Foothold>, act: impl FnOnce() -> T + Send) -> Result<T> {
    match foothold {
        Some(foothold) => foothold.inside(act),
        None => Ok(act()),
    }
}

/// What a gateway's configuration has beside a cell's.
fn outside(servers: SocketAddr, files: &CertificateFiles) -> String {
    format!(
        "[[listeners]]\nbind = \"{servers}\"\nserve = [\"federation\"]\ncertificate = \"{}\"\nkey = \"{}\"\n\n\
         [egress]\nallow_addresses = [\"127.0.0.0/8\"]\nca_files = [\"{}\"]\n\n",
        files.certificate.display(),
        files.key.display(),
        files.authority.display(),
    )
}

/// What a command that succeeded said in JSON.
pub(super) fn understood(arguments: &[&str], output: &Output) -> Result<Value> {
    let what = arguments.join(" ");
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`domicile {what}` failed ({}): {}", output.status, complaint.trim());
    serde_json::from_slice(&output.stdout).with_context(|| format!("understanding what `domicile {what}` printed"))
}
