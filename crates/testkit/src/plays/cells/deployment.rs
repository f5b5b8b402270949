//! A deployment of real processes: founded by the command line, as an operator would, with a border before each cell that can be closed, or with
//! each cell on a host of its own.
//!
//! The operator's machine is a folder of its own: the root key is there and nowhere else.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::cell::{Cell, Site, understood};
use crate::link::{Foothold, Host};
use crate::plays::federation::link::Link;
use crate::port::Port;
use crate::postgres::server::Server as Postgres;
use crate::server::CertificateFiles;

/// What a deployment is called that other servers do not reach.
pub const NAME: &str = "example.org";

/// Ports of a cell on a host of its own.
const CLIENT_PORT: u16 = 8008;
const INNER_PORT: u16 = 8449;
/// How a gateway tells of its key that the document does not name yet, and how that goes on.
const TELLS_KEY: [&str; 3] = ["add [[outer_key]] with id = \"", "\" and key = \"", "\" and cell"];

/// What is founded.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plan<'p> {
    /// The cells, each with its region. The first decides whose a name is.
    pub cells: &'p [(&'p str, &'p str)],
    /// What may cross between each two regions: `allow`, `encrypted_only` or `forbid`.
    pub rule: &'p str,
    /// Lines that some regions have beside the usual ones.
    pub regions: &'p [(&'p str, &'p str)],
    /// Lines at the end of each cell's configuration.
    pub configuration: &'p str,
    /// Whether each cell stores in a PostgreSQL of its own.
    pub postgres: bool,
    /// The hosts that the cells are on, in the same order; none if all are on this machine.
    pub hosts: &'p [Host],
    /// How other people's servers reach it, if they do: by its first cell, which is the gateway of all regions. Everything is shared with them.
    pub outside: Option<Outside<'p>>,
}

/// How other people's servers reach a deployment.
#[derive(Debug, Clone, Copy)]
pub struct Outside<'p> {
    /// The name of the deployment, an address and a port, where they find it.
    pub name: &'p str,
    /// Where its gateway listens for them.
    pub servers: SocketAddr,
    /// What the gateway proves to them.
    pub files: &'p CertificateFiles,
}

/// Where a cell is.
struct Place {
    clients: SocketAddr,
    /// Where it listens for other cells, and where these reach it.
    inner: SocketAddr,
    reached: SocketAddr,
    border: Option<Link>,
    foothold: Option<Foothold>,
    /// What is kept free for it.
    ports: Vec<Port>,
}

impl Place {
    /// On this machine, behind a border.
    fn here() -> Result<Self> {
        let ports = [Port::take()?, Port::take()?];
        let [clients, inner] = ports.each_ref().map(Port::address);
        let border = Link::to(inner, Duration::ZERO)?;
        let reached = border.address();
        Ok(Self { clients, inner, reached, border: Some(border), foothold: None, ports: ports.into() })
    }

    /// On a host, whose own network is the border.
    fn on(host: &Host) -> Result<Self> {
        let inner = SocketAddr::new(host.address()?, INNER_PORT);
        let clients = SocketAddr::from(([127, 0, 0, 1], CLIENT_PORT));
        Ok(Self { clients, inner, reached: inner, border: None, foothold: Some(host.foothold()), ports: Vec::new() })
    }
}

/// Cells that run, and what the operator has.
#[derive(Debug)]
pub struct Deployment {
    program: PathBuf,
    name: String,
    operator: PathBuf,
    cells: BTreeMap<String, Cell>,
    borders: BTreeMap<String, Link>,
}

impl Deployment {
    /// Founds it in a folder and starts all cells.
    pub fn found(program: &Path, folder: &Path, plan: &Plan<'_>) -> Result<Self> {
        let program = program.canonicalize().with_context(|| format!("there is no program {}", program.display()))?;
        let operator = folder.join("operator");
        fs::create_dir_all(&operator).with_context(|| format!("making {}", operator.display()))?;
        let name = plan.outside.map_or(NAME, |outside| outside.name).to_owned();
        let mut deployment = Self { program, name, operator, cells: BTreeMap::new(), borders: BTreeMap::new() };
        ensure!(plan.hosts.is_empty() || plan.hosts.len() >= plan.cells.len(), "there are fewer hosts than cells");
        let mut places = Vec::new();
        for (number, (cell, region)) in plan.cells.iter().enumerate() {
            let place = plan.hosts.get(number).map_or_else(Place::here, Place::on)?;
            deployment.add(number == 0, (cell, region), (place.clients, place.reached))?;
            places.push((*cell, place));
        }
        deployment.edit(plan)?;
        let root_key = deployment.sign()?;
        for (number, (cell, place)) in places.into_iter().enumerate() {
            let outside = plan.outside.filter(|_| number == 0);
            deployment.begin(cell, place, &root_key, outside, (folder, plan))?;
        }
        Ok(deployment)
    }

    /// Starts a new cell. A gateway tells first which key it has for others, and starts again with a document that names it.
    fn begin(
        &mut self,
        name: &str,
        place: Place,
        root_key: &str,
        outside: Option<Outside<'_>>,
        (folder, plan): (&Path, &Plan<'_>),
    ) -> Result<()> {
        let database = plan.postgres.then(Postgres::start).transpose().context("starting a PostgreSQL")?;
        let site = Site {
            name,
            clients: place.clients,
            inner: place.inner,
            root_key,
            server_name: &self.name,
            more: plan.configuration,
            foothold: place.foothold,
            ports: place.ports,
            outside: outside.map(|outside| (outside.servers, outside.files)),
        };
        let mut cell = Cell::make(&self.program, &folder.join(name), site, database)?;
        self.hand_out(&cell)?;
        fs::rename(self.key_file(name), cell.key_file()).with_context(|| format!("giving {name} its key"))?;
        cell.start()?;
        if outside.is_some() {
            let key = outer_key(&cell.log())?;
            cell.stop()?;
            let file = self.document_file();
            let text = raised(&self.document()?)? + &key;
            fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
            self.sign()?;
            self.hand_out(&cell)?;
            cell.start()?;
        }
        self.borders.extend(place.border.map(|border| (name.to_owned(), border)));
        self.cells.insert(name.to_owned(), cell);
        Ok(())
    }

    /// The command line where the root key is.
    fn operate(&self, arguments: &[&str]) -> Result<Value> {
        let output = Command::new(&self.program).args(arguments).arg("--json").current_dir(&self.operator).output();
        understood(arguments, &output.with_context(|| format!("starting {}", self.program.display()))?)
    }

    fn add(
        &self,
        is_first: bool,
        (name, region): (&str, &str),
        (clients, inner): (SocketAddr, SocketAddr),
    ) -> Result<()> {
        let (client_url, inner_url) = (format!("https://{clients}"), format!("https://{inner}"));
        let key_file = format!("{name}.key");
        let about =
            ["--region", region, "--client-url", &client_url, "--inner-url", &inner_url, "--key-file", &key_file];
        let first = ["deployment", "init", &self.name, "--cell", name];
        let further = ["cell", "init", name];
        let words = if is_first { &first[..] } else { &further[..] };
        self.operate(&[words, &about[..]].concat()).map(drop)
    }

    /// What the operator writes by hand.
    fn edit(&self, plan: &Plan<'_>) -> Result<()> {
        let file = self.document_file();
        let mut text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        let mut regions: Vec<&str> = plan.cells.iter().map(|(_, region)| *region).collect();
        regions.sort_unstable();
        regions.dedup();
        for (region, lines) in plan.regions {
            let head = format!("code = \"{region}\"\n");
            ensure!(text.contains(&head), "the document has no region {region}");
            text = text.replace(&head, &format!("{head}{lines}\n"));
        }
        if plan.outside.is_some() {
            let all: Vec<String> = regions.iter().map(|region| format!("\"{region}\"")).collect();
            let carries = format!("directory = true\ngateway_for = [{}]\n", all.join(", "));
            ensure!(text.contains("directory = true\n"), "the document has no cell that holds the directory");
            text = text.replacen("directory = true\n", &carries, 1).replace("outer = \"forbid\"", "outer = \"allow\"");
        }
        for (from, to) in regions.iter().flat_map(|from| regions.iter().map(move |to| (from, to))) {
            if from != to {
                let flow = format!("\n[[flow]]\nfrom = \"{from}\"\nto = \"{to}\"\nrule = \"{}\"\n", plan.rule);
                text.push_str(&flow);
            }
        }
        fs::write(&file, text).with_context(|| format!("writing {}", file.display()))
    }

    /// Signs the document. Gives the public half of the root key.
    fn sign(&self) -> Result<String> {
        let signed = self.operate(&["deployment", "sign", "--root-key", "root.key"])?;
        Ok(signed["root_key"].as_str().context("who signed the document was not told")?.to_owned())
    }

    /// Where the operator has the document.
    pub fn document_file(&self) -> PathBuf {
        self.operator.join("deployment.toml")
    }

    /// Where a new cell's key lies until it is given to it.
    fn key_file(&self, name: &str) -> PathBuf {
        self.operator.join(format!("{name}.key"))
    }

    fn hand_out(&self, cell: &Cell) -> Result<()> {
        let (from, to) = (self.document_file(), cell.document_file());
        fs::copy(&from, &to).with_context(|| format!("copying {} to {}", from.display(), to.display())).map(drop)
    }

    /// The document as it is now.
    pub fn document(&self) -> Result<String> {
        let file = self.document_file();
        fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A cell.
    pub fn cell(&self, name: &str) -> Result<&Cell> {
        self.cells.get(name).with_context(|| format!("there is no cell {name}"))
    }

    /// A cell that is to be stopped or started.
    pub fn cell_mut(&mut self, name: &str) -> Result<&mut Cell> {
        self.cells.get_mut(name).with_context(|| format!("there is no cell {name}"))
    }

    /// All cells, by name.
    pub fn cells(&self) -> impl Iterator<Item = (&str, &Cell)> {
        self.cells.iter().map(|(name, cell)| (name.as_str(), cell))
    }

    /// Where other cells reach one.
    pub fn inner_url(&self, name: &str) -> Result<String> {
        let border = self.borders.get(name).with_context(|| format!("there is no cell {name} behind a border"))?;
        Ok(format!("https://{}", border.address()))
    }

    /// Closes every border: connections break, and no new one comes about.
    pub fn cut(&self) {
        self.borders.values().for_each(Link::cut);
    }

    /// Opens them again.
    pub fn heal(&self) {
        self.borders.values().for_each(Link::mend);
    }

    /// Believes a cell no more: a new document, for all others, which start again with it.
    pub fn revoke(&mut self, name: &str) -> Result<()> {
        self.operate(&["cell", "revoke", name, "--root-key", "root.key"])?;
        let others: Vec<String> = self.cells.keys().filter(|other| *other != name).cloned().collect();
        for other in others {
            self.hand_out(self.cell(&other)?)?;
            let cell = self.cell_mut(&other)?;
            cell.stop()?;
            cell.start()?;
        }
        Ok(())
    }
}

/// A document with the next serial.
fn raised(document: &str) -> Result<String> {
    let serial =
        document.lines().find_map(|line| line.strip_prefix("serial = ")).context("the document has no serial")?;
    let next = serial.trim().parse::<u32>().context("the document's serial")?.saturating_add(1);
    Ok(document.replacen(&format!("serial = {serial}"), &format!("serial = {next}"), 1))
}

/// The lines of a document for the key of which a gateway's log tells.
fn outer_key(log: &Path) -> Result<String> {
    let text = fs::read_to_string(log).with_context(|| format!("reading {}", log.display()))?;
    let text = text.replace('\\', "");
    let [begin, between, end] = TELLS_KEY;
    let told = text.split_once(begin).and_then(|(_, rest)| rest.split_once(end)).map(|(told, _)| told);
    let (id, key) = told
        .and_then(|told| told.split_once(between))
        .with_context(|| format!("{} tells of no key for other servers", log.display()))?;
    Ok(format!("\n[[outer_key]]\nid = \"{id}\"\nkey = \"{key}\"\n"))
}
