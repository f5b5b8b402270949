//! Deployments that are measured: cells of Domicile's, each a process with a folder of its own, on loopback.

use std::{
    fmt::Write as _,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::client::Client;

/// How long a cell may take from its start to its first answer.
const PATIENCE: Duration = Duration::from_mins(1);
const REGION: &str = "here";

/// Where cells are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Regions {
    /// All in one, where they share out newcomers.
    One,
    /// Each in one of its own, called like the cell; everything crosses.
    Each,
}

const NAME: &str = "cells.test";

/// A cell that runs. It ends when it is dropped.
pub(crate) struct Cell {
    pub(crate) process: Child,
    /// Where its clients connect.
    pub(crate) url: String,
    /// The folder with its data.
    pub(crate) data: PathBuf,
    /// Its configuration, for commands beside it.
    pub(crate) config: PathBuf,
}

impl Drop for Cell {
    fn drop(&mut self) {
        let _ended_or_not = self.process.kill();
        let _reaped_or_not = self.process.wait();
    }
}

/// Runs a command of the program that answers in JSON.
pub(crate) fn asked(program: &Path, folder: &Path, arguments: &[&str]) -> Result<Value> {
    let output = Command::new(program).args(arguments).current_dir(folder).stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("starting {}", program.display()))?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).with_context(|| format!("{arguments:?} does not answer in JSON"))
}

/// Free ports, each another one. They may be taken by somebody else before they are used, which the start of a cell would tell.
fn free_ports(count: usize) -> Result<Vec<u16>> {
    // All are held until the last is found: one that was let go may be given again.
    let held: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<std::io::Result<_>>().context("free ports")?;
    held.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}

/// A deployment of so many cells, which run.
pub(crate) async fn start(program: &Path, folder: &Path, count: usize, regions: Regions) -> Result<Vec<Cell>> {
    let mut ports = Vec::new();
    let mut root = String::new();
    let free = free_ports(3 * count)?;
    for (number, free) in free.chunks_exact(3).enumerate() {
        let (client, inner, metrics) = (free[0], free[1], free[2]);
        let (name, key) = (format!("c{number}"), format!("c{number}.key"));
        let (client_url, inner_url) = (format!("https://{name}.cells.test"), format!("https://127.0.0.1:{inner}"));
        let region = if regions == Regions::One { REGION } else { &name };
        let both = ["--region", region, "--client-url", &client_url, "--inner-url", &inner_url, "--key-file", &key];
        if number == 0 {
            let begin = ["deployment", "init", NAME, "--cell", &name, "--json"];
            let made = asked(program, folder, &[&begin[..], &both].concat())?;
            made["root_key"].as_str().context("no root key")?.clone_into(&mut root);
        } else {
            let more = ["cell", "init", &name, "--root-key", "root.key", "--json"];
            asked(program, folder, &[&more[..], &both].concat())?;
        }
        ports.push((name, client, inner, metrics));
    }
    if regions == Regions::Each {
        everything_crosses(program, folder, &ports.iter().map(|(name, ..)| name.as_str()).collect::<Vec<_>>())?;
    }
    let mut cells = Vec::new();
    for (name, client, inner, metrics) in ports {
        let data = folder.join(&name);
        let config = folder.join(format!("{name}.toml"));
        fs::write(&config, configuration(&name, &root, (client, inner, metrics), &data))
            .context("writing a configuration")?;
        let log = fs::File::create(folder.join(format!("{name}.log"))).context("making a log")?;
        let process = Command::new(program)
            .arg("--config")
            .arg(&config)
            .arg("serve")
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let mut cell = Cell { process, url: format!("http://127.0.0.1:{client}"), data, config };
        // The first one decides on names: the others ask it when they start.
        ready(&mut cell, &folder.join(format!("{name}.log"))).await?;
        cells.push(cell);
    }
    Ok(cells)
}

/// Lets everything cross between all regions.
fn everything_crosses(program: &Path, folder: &Path, regions: &[&str]) -> Result<()> {
    let file = folder.join("deployment.toml");
    let mut text = fs::read_to_string(&file).context("reading the document")?;
    for (from, to) in regions.iter().flat_map(|from| regions.iter().map(move |to| (from, to))) {
        if from != to {
            let _infallible = writeln!(text, "\n[[flow]]\nfrom = \"{from}\"\nto = \"{to}\"\nrule = \"allow\"");
        }
    }
    fs::write(&file, text).context("writing the document")?;
    asked(program, folder, &["deployment", "sign", "--root-key", "root.key", "--json"]).map(drop)
}

fn configuration(name: &str, root: &str, (client, inner, metrics): (u16, u16, u16), data: &Path) -> String {
    format!(
        "[server]\nname = \"{NAME}\"\ndata_dir = {:?}\n\n[deployment]\nfile = \"deployment.toml\"\ncell = \"{name}\"\nroot_key = \"{root}\"\n\
         key_file = \"{name}.key\"\n\n[[listeners]]\nbind = \"127.0.0.1:{client}\"\nserve = [\"client\", \"health\"]\n\n\
         [[listeners]]\nbind = \"127.0.0.1:{inner}\"\nserve = [\"inner\"]\n\n[[listeners]]\nbind = \"127.0.0.1:{metrics}\"\nserve = [\"metrics\"]\n\n\
         [registration]\nmode = \"open\"\nopen_to_everybody = \"yes, I know that anybody can make accounts\"\n\n\
         [passwords]\nmemory = \"64K\"\niterations = 1\n\n[rate_limits]\nlogin_address = \"off\"\nlogin_account = \"off\"\nregistration = \"off\"\n\
         messages = \"off\"\ninvites = \"off\"\njoins = \"off\"\n\n[egress]\nallow_addresses = [\"127.0.0.0/8\"]\n\n[logging]\nlevel = \"warn\"\n",
        data.display().to_string()
    )
}

async fn ready(cell: &mut Cell, log: &Path) -> Result<()> {
    let begun = Instant::now();
    let mut client = Client::new(&cell.url)?;
    while client.send("GET", "/_matrix/client/versions", None, None).await.is_err() {
        if let Some(status) = cell.process.try_wait()? {
            bail!("a cell ended while it started ({status}): {}", fs::read_to_string(log).unwrap_or_default());
        }
        ensure!(begun.elapsed() < PATIENCE, "a cell does not answer");
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
