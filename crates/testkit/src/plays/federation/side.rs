//! One of the two servers: Domicile, or Synapse, which is here to say whether Domicile speaks as others do.

#![expect(clippy::disallowed_methods, reason = "a play goes on in real time")]

use std::fmt::{self, Write as _};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::http;
use super::link::Link;
use super::report::Report;
use crate::link::Host;
use crate::plays::process;
use crate::port::Port;
use crate::server::CertificateFiles;

/// How long a server may take from its start to its first answer.
const PATIENCE: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(100);

/// Which server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// This one.
    Domicile,
    /// The one that most others run.
    Synapse,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Domicile => "Domicile",
            Self::Synapse => "Synapse",
        })
    }
}

/// What is started.
#[derive(Debug)]
pub struct Programs {
    /// The binary of Domicile.
    pub domicile: PathBuf,
    /// The Python of an environment in which Synapse is installed.
    pub synapse: PathBuf,
}

/// A server that runs. It is killed when it is dropped.
pub(super) struct Side<'a> {
    kind: Kind,
    /// How it is called: an address and a port, those of the way to it.
    pub(super) name: String,
    /// Where its clients connect.
    pub(super) clients: SocketAddr,
    way: Way<'a>,
    folder: PathBuf,
    command: Vec<PathBuf>,
    authority: PathBuf,
    process: Option<Child>,
    _ports: Vec<Port>,
}

/// How others reach a server.
enum Way<'a> {
    /// Through a proxy: all servers are on this machine.
    Proxy(Link),
    /// It is on a host of its own, and so are its clients.
    Host(&'a Host),
    /// Through what somebody else has put before it.
    Other,
}

/// What a server is called, and where it listens.
struct Site<'a> {
    name: String,
    clients: SocketAddr,
    servers: SocketAddr,
    way: Way<'a>,
    /// What Synapse writes into its log, at least.
    log_level: &'static str,
    /// What is kept free for it.
    ports: Vec<Port>,
}

impl<'a> Side<'a> {
    /// Starts a server on this machine, with everything it writes in a folder of its own.
    pub(super) fn start(
        kind: Kind,
        place: &str,
        programs: &Programs,
        files: &CertificateFiles,
        delay: Duration,
        folder: &Path,
    ) -> Result<Self> {
        let ports = [Port::take()?, Port::take()?];
        let [clients, servers] = ports.each_ref().map(Port::address);
        let link = Link::to(servers, delay)?;
        let name = link.address().to_string();
        let site = Site { name, clients, servers, way: Way::Proxy(link), log_level: "INFO", ports: ports.into() };
        Self::start_at(kind, site, programs, files, &folder.join(place))
    }

    /// Starts a server on a host.
    pub(super) fn start_on(
        kind: Kind,
        host: &'a Host,
        programs: &Programs,
        files: &CertificateFiles,
        folder: &Path,
    ) -> Result<Self> {
        let servers = SocketAddr::new(host.address()?, 8448);
        let clients = SocketAddr::from(([127, 0, 0, 1], 8008));
        let site = Site {
            name: servers.to_string(),
            clients,
            servers,
            way: Way::Host(host),
            log_level: "INFO",
            ports: Vec::new(),
        };
        Self::start_at(kind, site, programs, files, &folder.join(host.name()))
    }

    /// Starts a server on this machine that others reach as `listen` says, which is told where it serves them. It writes down all that it does.
    pub(super) fn start_behind(
        kind: Kind,
        place: &str,
        programs: &Programs,
        files: &CertificateFiles,
        folder: &Path,
        listen: impl FnOnce(SocketAddr) -> Result<SocketAddr>,
    ) -> Result<Self> {
        let ports = [Port::take()?, Port::take()?];
        let [clients, servers] = ports.each_ref().map(Port::address);
        let name = listen(servers)?.to_string();
        let site = Site { name, clients, servers, way: Way::Other, log_level: "DEBUG", ports: ports.into() };
        Self::start_at(kind, site, programs, files, &folder.join(place))
    }

    fn start_at(
        kind: Kind,
        site: Site<'a>,
        programs: &Programs,
        files: &CertificateFiles,
        folder: &Path,
    ) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        let (config, command) = match kind {
            Kind::Domicile => {
                let config = folder.join("domicile.toml");
                let command = vec![programs.domicile.clone(), "--config".into(), config.clone(), "serve".into()];
                (config, command)
            }
            Kind::Synapse => {
                let config = folder.join("homeserver.yaml");
                let words = ["-m", "synapse.app.homeserver", "--config-path"].map(PathBuf::from);
                let mut command = vec![programs.synapse.clone()];
                command.extend(words);
                command.push(config.clone());
                (config, command)
            }
        };
        let text = match kind {
            Kind::Domicile => domicile(&site, folder, files),
            Kind::Synapse => synapse(&site, folder, files),
        };
        fs::write(&config, text).with_context(|| format!("writing {}", config.display()))?;
        let authority = files.authority.clone();
        let Site { name, clients, way, log_level, ports, .. } = site;
        let folder = folder.to_owned();
        let mut side = Self { kind, name, clients, way, folder, command, authority, process: None, _ports: ports };
        if kind == Kind::Synapse {
            fs::write(side.folder.join("log.yaml"), synapse_log(&side.log(), log_level)).context("writing log.yaml")?;
            let made = process::logged(&mut side.program(), &side.log())?
                .arg("--generate-keys")
                .status()
                .context("starting Synapse for its keys")?;
            ensure!(made.success(), "Synapse made no keys: {made}; see {}", side.log().display());
        }
        side.run()?;
        Ok(side)
    }

    /// Does something where the server's clients are.
    pub(super) fn inside<T: Send>(&self, act: impl FnOnce() -> T + Send) -> Result<T> {
        match &self.way {
            Way::Proxy(_) | Way::Other => Ok(act()),
            Way::Host(host) => host.inside(act),
        }
    }

    /// Nobody reaches it any more. A server on a host is cut off by its network instead.
    pub(super) fn cut(&self) {
        if let Way::Proxy(link) = &self.way {
            link.cut();
        }
    }

    /// Others reach it again.
    pub(super) fn mend(&self) {
        if let Way::Proxy(link) = &self.way {
            link.mend();
        }
    }

    fn program(&self) -> Command {
        let mut command = match &self.way {
            Way::Proxy(_) | Way::Other => Command::new(&self.command[0]),
            Way::Host(host) => host.command(&self.command[0]),
        };
        command.args(&self.command[1..]).current_dir(&self.folder);
        command
    }

    /// Starts it, and waits until it answers clients.
    pub(super) fn run(&mut self) -> Result<()> {
        let began = Instant::now();
        let started = process::spawn(&mut self.program(), &self.log());
        self.process = Some(started.with_context(|| format!("starting {}", self.title()))?);
        loop {
            let clients = self.clients;
            let ask = move || http::exchange(clients, None, "GET", "/_matrix/client/versions", None);
            if self.inside(ask)?.is_ok_and(|(status, _)| status == 200) {
                return Ok(());
            }
            let process = self.process.as_mut().context("the server does not run")?;
            if let Some(status) = process.try_wait().context("asking whether the server runs")? {
                bail!("{} ended while it started ({status}):\n{}", self.kind, process::last_words(&self.log()));
            }
            ensure!(began.elapsed() < PATIENCE, "{} did not answer; see {}", self.kind, self.folder.display());
            sleep(PAUSE);
        }
    }

    /// Ends it the hard way.
    pub(super) fn kill(&mut self) -> Result<()> {
        let mut process = self.process.take().context("the server does not run")?;
        process.kill().context("killing the server")?;
        process.wait().context("waiting for the killed server").map(drop)
    }

    /// What it is and what it is called.
    pub(super) fn title(&self) -> String {
        format!("{} {}", self.kind, self.name)
    }

    /// The folder with all that it writes.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn log(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    /// Whether other servers find it: its version and its keys, over TLS.
    pub(super) fn meet(&self, other: &Side<'_>, report: &mut Report) {
        for (what, path) in [("version", "/_matrix/federation/v1/version"), ("keys", "/_matrix/key/v2/server")] {
            let words = format!("{} shows its {what}, as {} would ask", other.title(), self.kind);
            report.step(&words, || {
                let url = format!("https://{}{path}", other.name);
                let output = Command::new("curl")
                    .args(["--silent", "--show-error", "--fail", "--max-time", "10", "--cacert"])
                    .arg(&self.authority)
                    .arg(&url)
                    .output()
                    .context("starting curl")?;
                ensure!(output.status.success(), "{url}: {}", String::from_utf8_lossy(&output.stderr));
                Ok(())
            });
        }
    }
}

impl Drop for Side<'_> {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        self.kill().ok();
    }
}

fn domicile(site: &Site<'_>, folder: &Path, files: &CertificateFiles) -> String {
    let Site { name, clients, servers, .. } = site;
    let limits =
        ["login_address", "login_account", "registration", "messages", "invites", "joins", "uploads", "searches"];
    let limits = limits.map(|name| format!("{name} = \"off\"\n")).concat();
    format!(
        "[server]\nname = \"{name}\"\ndata_dir = \"{data}\"\n\n\
         [[listeners]]\nbind = \"{clients}\"\nserve = [\"client\", \"media\", \"health\"]\n\n\
         [[listeners]]\nbind = \"{servers}\"\nserve = [\"federation\"]\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n\n\
         [egress]\nallow_addresses = [\"{allowed}\"]\nca_files = [\"{authority}\"]\n\n\
         [registration]\nmode = \"open\"\nopen_to_everybody = \"yes, I know that anybody can make accounts\"\n\n\
         [passwords]\nmemory = \"64K\"\niterations = 1\n\n[rate_limits]\n{limits}",
        allowed = if servers.ip().is_loopback() { "127.0.0.0/8" } else { "10.0.0.0/8" },
        data = folder.join("data").display(),
        certificate = files.certificate.display(),
        key = files.key.display(),
        authority = files.authority.display(),
    )
}

fn synapse(site: &Site<'_>, folder: &Path, files: &CertificateFiles) -> String {
    let Site { name, clients, servers, .. } = site;
    let off = "{per_second: 100000, burst_count: 100000}";
    let mut config = format!(
        "server_name: '{name}'\nreport_stats: false\nsigning_key_path: {folder}/signing.key\n\
         media_store_path: {folder}/media\npid_file: {folder}/pid\nlog_config: {folder}/log.yaml\n\
         database: {{name: sqlite3, args: {{database: {folder}/homeserver.db}}}}\n\
         listeners:\n\
         - {{port: {}, bind_addresses: ['{}'], type: http, tls: true, resources: [{{names: [federation]}}]}}\n\
         - {{port: {}, bind_addresses: ['127.0.0.1'], type: http, resources: [{{names: [client, media]}}]}}\n\
         tls_certificate_path: {}\ntls_private_key_path: {}\nfederation_custom_ca_list: ['{}']\n\
         ip_range_blacklist: []\nfederation_ip_range_blacklist: []\ntrusted_key_servers: []\n\
         suppress_key_server_warning: true\nallow_public_rooms_over_federation: true\n\
         room_list_publication_rules: [{{action: allow}}]\nmacaroon_secret_key: plays\n\
         federation: {{destination_min_retry_interval: 1s, destination_retry_multiplier: 2, destination_max_retry_interval: 2s}}\n\
         enable_registration: true\nenable_registration_without_verification: true\nbcrypt_rounds: 4\n\
         rc_federation: {{window_size: 1000, sleep_limit: 100000, sleep_delay: 1, reject_limit: 100000, concurrent: 50}}\n",
        servers.port(),
        servers.ip(),
        clients.port(),
        files.certificate.display(),
        files.key.display(),
        files.authority.display(),
        folder = folder.display(),
    );
    for limit in ["message", "registration", "admin_redaction", "joins_per_room", "room_creation", "third_party_invite"]
    {
        let _ = writeln!(config, "rc_{limit}: {off}");
    }
    for (limit, kinds) in [
        ("login", &["address", "account", "failed_attempts"][..]),
        ("joins", &["local", "remote"]),
        ("invites", &["per_room", "per_user", "per_issuer"]),
    ] {
        let _ = writeln!(config, "rc_{limit}:");
        for kind in kinds {
            let _ = writeln!(config, "  {kind}: {off}");
        }
    }
    config
}

fn synapse_log(log: &Path, level: &str) -> String {
    format!(
        "version: 1\ndisable_existing_loggers: false\nformatters: {{plain: {{format: '%(asctime)s %(levelname)s %(name)s %(message)s'}}}}\n\
         handlers: {{file: {{class: logging.FileHandler, filename: {}, formatter: plain}}}}\n\
         root: {{level: {level}, handlers: [file]}}\n",
        log.display()
    )
}
