//! A Synapse that is in a large room, through which others join it.
//!
//! Nobody can make such a room in a Synapse by its clients in bearable time. So the load driver makes it, as another server would, and the Synapse
//! joins it there: what it holds then is what it would hold after years. Each server under test meets it in that same state.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::{Bench, scenarios::Scenario, synapse::Synapse};
use crate::command;
use crate::server::Reached;

/// The server's data after its join.
pub(super) struct Holder {
    held: Held,
    folder: PathBuf,
    reached: Reached,
}

/// SQLite's files of a Synapse, and where they are kept after the join.
const DATABASE: &str = "homeserver.db";
const KEPT: &str = "kept";

/// What the load driver tells of the room.
#[derive(Debug, Deserialize)]
struct Held {
    room: String,
    via: String,
    origin_port: u16,
    seconds: f64,
}

impl Holder {
    /// Has it join a room as large as the scenario's.
    pub(super) fn make(bench: &Bench, folder: &Path, scenario: &Scenario) -> Result<Self> {
        let reached = Reached::anywhere(&bench.certificates)?;
        let server = Synapse::start(&bench.environment, folder, Some(&reached))?;
        let mut load = Command::new(bench.programs.join("domicile-loadgen"));
        load.args(["hold", "--url", &server.url(), "--name", &reached.address.to_string()]);
        load.arg("--certificates").arg(&bench.certificates);
        for (name, number) in scenario.domicile {
            load.arg(format!("--{name}")).arg(bench.number(scenario, name, *number).to_string());
        }
        let json = command::read(&mut load)?;
        let held: Held =
            serde_json::from_str(&json).with_context(|| format!("understanding what the load driver says: {json}"))?;
        println!("  the Synapse that holds the room joined it in {:.1} s", held.seconds);
        drop(server);
        copy(folder, &folder.join(KEPT))?;
        Ok(Self { held, folder: folder.to_owned(), reached })
    }

    /// Starts it as it was after its join.
    pub(super) fn start(&self, bench: &Bench) -> Result<Synapse> {
        copy(&self.folder.join(KEPT), &self.folder)?;
        Synapse::start(&bench.environment, &self.folder, Some(&self.reached))
    }

    /// What the load driver must know of it.
    pub(super) fn arguments(&self) -> [String; 6] {
        let Held { room, via, origin_port, .. } = &self.held;
        ["--room", room, "--via", via, "--origin-port", &origin_port.to_string()].map(str::to_owned)
    }
}

/// Copies the database's files, and removes those that are not there to be copied.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("making {}", to.display()))?;
    for end in ["", "-wal", "-shm"] {
        let name = format!("{DATABASE}{end}");
        let (from, to) = (from.join(&name), to.join(&name));
        if from.exists() {
            fs::copy(&from, &to).with_context(|| format!("copying {}", from.display()))?;
        } else if to.exists() {
            fs::remove_file(&to).with_context(|| format!("removing {}", to.display()))?;
        }
    }
    Ok(())
}
