//! A deployment of two cells before a real Synapse, which is to take it for one server.
//!
//! People of both cells and of Synapse share rooms that were made on either side, and find them by their aliases and in each other's lists. One cell is
//! stopped for a while, which to Synapse is no outage. Then everything that Synapse got is searched for the cells: what passed on its way, its database
//! and its log, in which it writes down all that it does. In the end one cell is stolen, and what the thief can do to Synapse is tried.

mod cut;
mod theft;
mod together;
mod traces;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::person::Person;
use super::recorder::Recorder;
use super::report::Report;
use super::side::{Kind, Programs, Side};
use super::{Scene, wanted};
use crate::driver::Program;
use crate::plays::cells::{Deployment, Outside, Plan};
use crate::port::Port;
use crate::server::certificate;

/// The cells, with names that come about by chance nowhere, and their regions. The first is the gateway; the second is stopped for a while, and stolen in the
/// end.
const CELLS: [(&str, &str); 2] = [("kestrelhouse1", "kestrelland"), ("heronhouse1", "heronland")];
const GATEWAY: &str = CELLS[0].0;
const OTHER: &str = CELLS[1].0;
const STOLEN: &str = OTHER;

/// What is played.
#[derive(Debug)]
pub struct Disguise {
    /// The versions of the rooms.
    pub versions: Vec<String>,
    /// Parts of which only some are wanted: `talk`, `signs`, `doors`, `upgrade`, `together`, `cut`, `theft`; all where it is empty.
    pub only: Vec<String>,
    /// The page in which it stands what a stolen cell can do to Synapse.
    pub document: PathBuf,
    /// Whether it is written there, instead of compared.
    pub write: bool,
}

/// Plays everything with what the cells, Synapse and clients write in `folder`.
pub fn play(disguise: &Disguise, programs: &Programs, driver: &Program, folder: &Path) -> Result<Report> {
    let files = certificate(folder, &["localhost", "127.0.0.1"]);
    let port = Port::take()?;
    let servers = port.address();
    let heard = folder.join("heard");
    let gateway = Recorder::before(servers, &files, &heard.join("of-the-deployment"))?;
    let name = gateway.address().to_string();
    let place = folder.join("deployment");
    fs::create_dir_all(&place).with_context(|| format!("making {}", place.display()))?;
    let plan = Plan {
        cells: &CELLS,
        rule: "allow",
        outside: Some(Outside { name: &name, servers, files: &files }),
        ..Plan::default()
    };
    let mut deployment = Deployment::found(&programs.domicile, &place, &plan)?;
    let mut before_synapse = None;
    let synapse = Side::start_behind(Kind::Synapse, "synapse", programs, &files, folder, |servers| {
        let recorder = before_synapse.insert(Recorder::before(servers, &files, &heard.join("of-synapse"))?);
        Ok(recorder.address())
    })?;
    let recorders = [&gateway, before_synapse.as_ref().context("nobody listens before Synapse")?];
    let logs = deployment.cells().map(|(name, cell)| (format!("Domicile {name}"), cell.log()));
    let mut report = Report::new(logs.chain([(synapse.title(), synapse.log())]).collect());

    let arrive = |who: &str, cell: &str| -> Result<Person> {
        let clients = deployment.cell(cell)?.clients;
        let title = format!("Domicile's cell {cell}");
        Person::arrive_at(who, (clients, &name, &title), driver, folder).with_context(|| format!("{who} of {cell}"))
    };
    let (mut anna, mut boris) = (arrive("anna", GATEWAY)?, arrive("boris", OTHER)?);
    let mut eve = Person::arrive("eve", &synapse, driver, folder).context("eve of Synapse")?;
    for version in &disguise.versions {
        pairs(&mut report, version, &disguise.only, [&mut anna, &mut boris], &mut eve)?;
        if wanted(&disguise.only, "together") {
            together::play(&mut report, version, [&mut anna, &mut boris, &mut eve]);
        }
        if wanted(&disguise.only, "cut") {
            cut::play(&mut report, version, (&mut deployment, &synapse), [&mut anna, &mut boris, &mut eve]);
        }
    }
    // Before the thief tells Synapse of the stolen key by using it.
    traces::play(&mut report, &deployment, &synapse, recorders);
    if wanted(&disguise.only, "theft") {
        let page = theft::Page { document: &disguise.document, write: disguise.write };
        theft::play(&mut report, &mut deployment, (&synapse, &files), [&mut anna, &mut boris, &mut eve], &page)?;
    }
    Ok(report)
}

/// Somebody of each cell and somebody of Synapse, with rooms that either of them makes.
fn pairs(
    report: &mut Report,
    version: &str,
    only: &[String],
    ours: [&mut Person; 2],
    theirs: &mut Person,
) -> Result<()> {
    for one in ours {
        for turned in [false, true] {
            let (home, away) = if turned { (&mut *theirs, &mut *one) } else { (&mut *one, &mut *theirs) };
            report.scene(&format!("room version {version}, made by {home}, with {away}"));
            Scene { version, home, away, report: &mut *report }.play(only)?;
        }
    }
    Ok(())
}
