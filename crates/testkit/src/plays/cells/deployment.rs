//! A deployment of real processes: founded by the command line, as an operator would, with a border before each cell that can be closed.
//!
//! The operator's machine is a folder of its own: the root key is there and nowhere else.

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::cell::{Cell, Site, understood};
use crate::plays::federation::link::Link;
use crate::postgres::server::Server as Postgres;

/// What a deployment is called.
pub const NAME: &str = "example.org";

/// What is founded.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'p> {
    /// The cells, each with its region. The first decides whose a name is.
    pub cells: &'p [(&'p str, &'p str)],
    /// What may cross between each two regions: `allow`, `encrypted_only` or `forbid`.
    pub rule: &'p str,
    /// Lines that some regions have beside the usual ones.
    pub regions: &'p [(&'p str, &'p str)],
    /// Whether each cell stores in a PostgreSQL of its own.
    pub postgres: bool,
}

/// Cells that run, and what the operator has.
#[derive(Debug)]
pub struct Deployment {
    program: PathBuf,
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
        let mut deployment = Self { program, operator, cells: BTreeMap::new(), borders: BTreeMap::new() };
        let mut listening = Vec::new();
        for (name, region) in plan.cells {
            let held = [free_port()?, free_port()?];
            let (clients, inner) = (held[0].local_addr()?, held[1].local_addr()?);
            let border = Link::to(inner, Duration::ZERO)?;
            // Only now, so that the border is not given one of them.
            drop(held);
            deployment.add(name, region, clients, border.address())?;
            deployment.borders.insert((*name).to_owned(), border);
            listening.push((*name, clients, inner));
        }
        deployment.edit(plan)?;
        let root_key = deployment.sign()?;
        for (name, clients, inner) in listening {
            let database = plan.postgres.then(Postgres::start).transpose().context("starting a PostgreSQL")?;
            let site = Site { name, clients, inner, root_key: &root_key, server_name: NAME };
            let mut cell = Cell::make(&deployment.program, &folder.join(name), &site, database)?;
            deployment.hand_out(&cell)?;
            fs::rename(deployment.key_file(name), cell.key_file()).with_context(|| format!("giving {name} its key"))?;
            cell.start()?;
            deployment.cells.insert(name.to_owned(), cell);
        }
        Ok(deployment)
    }

    /// The command line where the root key is.
    fn operate(&self, arguments: &[&str]) -> Result<Value> {
        let output = Command::new(&self.program).args(arguments).arg("--json").current_dir(&self.operator).output();
        understood(arguments, &output.with_context(|| format!("starting {}", self.program.display()))?)
    }

    fn add(&self, name: &str, region: &str, clients: SocketAddr, inner: SocketAddr) -> Result<()> {
        let (client_url, inner_url) = (format!("https://{clients}"), format!("https://{inner}"));
        let key_file = format!("{name}.key");
        let about =
            ["--region", region, "--client-url", &client_url, "--inner-url", &inner_url, "--key-file", &key_file];
        let first = ["deployment", "init", NAME, "--cell", name];
        let further = ["cell", "init", name];
        let words = if self.borders.is_empty() { &first[..] } else { &further[..] };
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
        let border = self.borders.get(name).with_context(|| format!("there is no cell {name}"))?;
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

fn free_port() -> Result<TcpListener> {
    TcpListener::bind("127.0.0.1:0").context("looking for a free port")
}
