//! A server of this repository, started for a chore: its own folder, a free port, killed when it is dropped.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::command;

/// How long a server may take from its start to its first answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Everybody may register and nobody is held back: the server is loaded, not protected.
const OPEN: &str = "[registration]\nmode = \"open\"\nopen_to_everybody = \"yes, I know that anybody can make accounts\"\n\n\
    [passwords]\nmemory = \"64K\"\niterations = 1\n\n[rate_limits]\nlogin_address = \"off\"\nlogin_account = \"off\"\n\
    registration = \"off\"\nmessages = \"off\"\ninvites = \"off\"\njoins = \"off\"\nuploads = \"off\"\nsearches = \"off\"\n";
const PAUSE: Duration = Duration::from_millis(20);

/// Which build of the programs a chore uses.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Profile {
    /// Build and use the programs as they are shipped, instead of the quickly built ones
    #[arg(long)]
    release: bool,
}

impl Profile {
    /// The programs as they are shipped.
    pub(crate) fn release() -> Self {
        Self { release: true }
    }

    /// The quickly built programs.
    pub(crate) fn debug() -> Self {
        Self { release: false }
    }

    /// Builds binaries, each given with its package, and returns the folder they are in.
    ///
    /// As they are shipped, each is built for itself, with the features that it asks for. Quickly, they are built as tests are, out of the whole
    /// workspace: so neither builds anew what the other has built.
    pub(crate) fn build(self, programs: &[(&str, &str)]) -> Result<PathBuf> {
        if self.release {
            for (package, program) in programs {
                let mut cargo = command::cargo();
                cargo.args(["build", "--locked", "--release", "--package", package, "--bin", program]);
                command::run(&mut cargo)?;
            }
        } else {
            let mut cargo = command::cargo();
            cargo.args(["build", "--locked", "--workspace"]);
            cargo.args(programs.iter().flat_map(|(_, program)| ["--bin", program]));
            command::run(&mut cargo)?;
        }
        Ok(target_folder()?.join(if self.release { "release" } else { "debug" }))
    }
}

/// Where cargo puts what it builds.
fn target_folder() -> Result<PathBuf> {
    #[derive(Deserialize)]
    struct Metadata {
        target_directory: PathBuf,
    }
    let json = command::read(command::cargo().args(["metadata", "--format-version", "1", "--no-deps", "--locked"]))?;
    let metadata: Metadata = serde_json::from_str(&json).context("understanding what `cargo metadata` says")?;
    Ok(metadata.target_directory)
}

/// Where other servers reach one that is started for a chore: its name is that address.
#[derive(Debug, Clone)]
pub(crate) struct Reached {
    /// Address and port.
    pub(crate) address: SocketAddr,
    /// A folder with `authority.pem`, `certificate.pem` and `key.pem`.
    pub(crate) certificates: PathBuf,
}

impl Reached {
    /// At a port that is free.
    pub(crate) fn anywhere(certificates: &Path) -> Result<Self> {
        Ok(Self { address: free_address()?, certificates: certificates.to_owned() })
    }
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Server {
    /// Starts `program` with its data in `data` and its configuration and log in `folder`, and waits for its answer.
    pub(crate) fn start(program: &Path, folder: &Path, data: &Path) -> Result<Self> {
        Self::start_reached(program, folder, data, None)
    }

    /// The same; other servers may reach it.
    pub(crate) fn start_reached(program: &Path, folder: &Path, data: &Path, reached: Option<&Reached>) -> Result<Self> {
        let address = free_address()?;
        let (config, log) = (folder.join("domicile.toml"), folder.join("server.log"));
        fs::write(&config, configuration(address, data, reached))
            .with_context(|| format!("writing {}", config.display()))?;
        let output = File::options().create(true).append(true).open(&log);
        let output = output.with_context(|| format!("opening {}", log.display()))?;
        let process = Command::new(program)
            .arg("--config")
            .arg(&config)
            .arg("serve")
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone().context("a second handle on the log")?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let mut server = Self { process, address, log };
        let mut waited = Duration::ZERO;
        while !server.answers() {
            if let Some(status) = server.process.try_wait().context("asking whether the server runs")? {
                bail!("the server ended while it started ({status}):\n{}", server.end_of_log());
            }
            if waited > PATIENCE {
                bail!("the server did not answer in {PATIENCE:?}:\n{}", server.end_of_log());
            }
            sleep(PAUSE);
            waited += PAUSE;
        }
        Ok(server)
    }

    /// Where it listens, as a URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Whether it says that it is well.
    fn answers(&self) -> bool {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect_timeout(&self.address, PAUSE * 10)?;
            stream.set_read_timeout(Some(Duration::from_secs(2)))?;
            stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }

    /// Ends it the hard way.
    pub(crate) fn kill(&mut self) -> Result<()> {
        if let Some(status) = self.process.try_wait().context("asking whether the server runs")? {
            bail!("the server ended by itself under load ({status}):\n{}", self.end_of_log());
        }
        self.kill_anyway()
    }

    /// Ends it the hard way, whether or not it ended already.
    pub(crate) fn kill_anyway(&mut self) -> Result<()> {
        self.process.kill().context("killing the server")?;
        self.process.wait().context("waiting for the killed server")?;
        Ok(())
    }

    /// Asks it to stop, as a service manager does, and returns how it ended.
    pub(crate) fn stop(mut self) -> Result<ExitStatus> {
        command::read(Command::new("kill").args(["-TERM", &self.process.id().to_string()]))?;
        let mut waited = Duration::ZERO;
        loop {
            if let Some(status) = self.process.try_wait().context("asking whether the server runs")? {
                return Ok(status);
            }
            if waited > Duration::from_secs(5) {
                bail!("the server still ran five seconds after SIGTERM:\n{}", self.end_of_log());
            }
            sleep(PAUSE);
            waited += PAUSE;
        }
    }

    fn end_of_log(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("looking for a free port")?;
    listener.local_addr().context("looking for a free port")
}

/// Registration is open and no rate limits hold: the load makes its own accounts and sends as fast as it can.
fn configuration(address: SocketAddr, data: &Path, reached: Option<&Reached>) -> String {
    let data = data.display();
    let Some(Reached { address: servers, certificates }) = reached else {
        return format!("[server]\ndata_dir = \"{data}\"\n\n[[listeners]]\nbind = \"{address}\"\n\n{OPEN}");
    };
    let certificates = certificates.display();
    format!(
        "[server]\nname = \"{servers}\"\ndata_dir = \"{data}\"\n\n\
         [[listeners]]\nbind = \"{address}\"\nserve = [\"client\", \"media\", \"health\"]\n\n\
         [[listeners]]\nbind = \"{servers}\"\nserve = [\"federation\"]\n\
         certificate = \"{certificates}/certificate.pem\"\nkey = \"{certificates}/key.pem\"\n\n\
         [egress]\nallow_addresses = [\"127.0.0.0/8\"]\nca_files = [\"{certificates}/authority.pem\"]\n\n{OPEN}"
    )
}
