//! Synapse, as it is measured: from `PyPI`, in a virtual environment under `target/`, with SQLite and without rate limits.

use std::fmt::Write as _;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::command;
use crate::server::Reached;

/// The version of Synapse that is measured.
pub(super) const SYNAPSE: &str = "matrix-synapse==1.163.*";

/// A process that is killed when it is dropped.
pub(super) struct Synapse {
    process: Child,
    address: SocketAddr,
}

impl Synapse {
    /// Starts it with everything it writes in `folder`, and waits until it listens. Other servers may reach it.
    pub(super) fn start(environment: &Path, folder: &Path, reached: Option<&Reached>) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let config = folder.join("homeserver.yaml");
        fs::write(&config, synapse_config(address, folder, reached))?;
        let python = environment.join("bin/python");
        let start = |extra: &[&str]| {
            let mut command = Command::new(&python);
            command.args(["-m", "synapse.app.homeserver", "--config-path"]).arg(&config).args(extra);
            command.current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        command::run(&mut start(&["--generate-keys"]))?;
        let mut server = Self { process: start(&[]).spawn().context("starting Synapse")?, address };
        let mut waited = Duration::ZERO;
        while TcpStream::connect(address).is_err() {
            if waited > Duration::from_mins(1) || server.process.try_wait()?.is_some() {
                bail!("Synapse did not start; see {}", folder.display());
            }
            sleep(Duration::from_millis(100));
            waited += Duration::from_millis(100);
        }
        sleep(Duration::from_secs(1));
        Ok(server)
    }

    /// Where it listens, as a URL.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its process.
    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Synapse {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn synapse_config(address: SocketAddr, folder: &Path, reached: Option<&Reached>) -> String {
    let folder = folder.display();
    let (mut name, mut servers, mut federation) = ("localhost".to_owned(), String::new(), String::new());
    if let Some(Reached { address, certificates }) = reached {
        name = address.to_string();
        let (port, certificates) = (address.port(), certificates.display());
        servers = format!(
            "- {{port: {port}, bind_addresses: ['127.0.0.1'], type: http, tls: true, resources: [{{names: [federation]}}]}}\n"
        );
        federation = format!(
            "tls_certificate_path: {certificates}/certificate.pem\ntls_private_key_path: {certificates}/key.pem\n\
             federation_custom_ca_list: ['{certificates}/authority.pem']\nip_range_blacklist: []\n\
             federation_ip_range_blacklist: []\nrc_federation: {{window_size: 1000, sleep_limit: 100000, sleep_delay: 1, \
             reject_limit: 100000, concurrent: 50}}\n"
        );
    }
    let mut config = format!(
        "server_name: '{name}'\nreport_stats: false\nsigning_key_path: {folder}/signing.key\nmedia_store_path: {folder}/media\n\
         pid_file: {folder}/pid\ndatabase: {{name: sqlite3, args: {{database: {folder}/homeserver.db}}}}\n\
         listeners:\n- {{port: {}, bind_addresses: ['127.0.0.1'], type: http, resources: [{{names: [client]}}]}}\n{servers}{federation}\
         enable_registration: true\nenable_registration_without_verification: true\ntrusted_key_servers: []\n\
         password_config: {{}}\nbcrypt_rounds: 4\nsuppress_key_server_warning: true\n",
        address.port()
    );
    for limit in ["message", "registration", "admin_redaction", "joins_per_room", "room_creation"] {
        let _ = writeln!(config, "rc_{limit}: {{per_second: 100000, burst_count: 100000}}");
    }
    for (limit, kinds) in [
        ("login", &["address", "account", "failed_attempts"][..]),
        ("joins", &["local", "remote"]),
        ("invites", &["per_room", "per_user", "per_issuer"]),
    ] {
        let _ = writeln!(config, "rc_{limit}:");
        for kind in kinds {
            let _ = writeln!(config, "  {kind}: {{per_second: 100000, burst_count: 100000}}");
        }
    }
    config
}

/// Synapse in a virtual environment of its own.
pub(crate) fn environment() -> Result<PathBuf> {
    let folder = command::root().join("target/synapse");
    if !folder.join("bin/synapse_homeserver").exists() {
        println!("Installing {SYNAPSE} from PyPI into {}", folder.display());
        command::run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        command::run(Command::new(folder.join("bin/pip")).args(["install", "--quiet", SYNAPSE]))?;
    }
    Ok(folder)
}
