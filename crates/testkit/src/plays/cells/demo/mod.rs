//! The demonstration: two cells in two countries, people with encrypted clients, a closed border, a change of the law, a theft.
//!
//! Whatever is claimed on the screen was checked the moment before: by the clients, or by what the cells answer. A claim that does not hold is
//! shown as such, and the play goes on where it can.

mod afterwards;
mod house;
mod people;
mod places;
mod screen;
mod talk;
mod theft;

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::{Deployment, NAME, Plan};
use crate::driver::Program;
use people::Person;
pub use screen::Screen;

/// The cells and their regions.
const CELLS: [(&str, &str); 2] = [("eu1", "eu"), ("ru1", "ru")];
/// What crosses between them.
const RULE: &str = "encrypted_only";

/// Everybody, and what was said.
struct Demo {
    deployment: Deployment,
    anna: Person,
    boris: Person,
    vera: Person,
    room: String,
    texts: Vec<String>,
}

/// Plays it with what everybody writes in `folder`. Whether all claims held, the screen says.
pub fn play(program: &Path, driver: &Program, folder: &Path, screen: &mut Screen<'_>) -> Result<()> {
    let deployment = two_cells(program, folder, screen)?;
    let mut demo = three_people(deployment, driver, folder, screen)?;
    demo.they_talk(screen)?;
    let before = demo.where_everything_is(screen)?;
    demo.the_border_closes(screen)?;
    demo.the_law_changes(screen, &before)?;
    let mut demo = demo.the_new_address(screen)?;
    let (thief, aims) = demo.a_cell_is_stolen(screen)?;
    demo.it_is_revoked(screen, &thief, &aims)?;
    demo.boris_signs_in_again(screen)?.life_goes_on(screen)
}

fn two_cells(program: &Path, folder: &Path, screen: &mut Screen<'_>) -> Result<Deployment> {
    screen.act("One name, two countries")?;
    screen.tell(&format!(
        "{NAME} is a deployment of two cells: eu1 in the region eu, ru1 in the region ru, each a whole server with a database of its own. \
         An operator signs the deployment document with a root key that no server has. In it stands what may cross:"
    ))?;
    let plan = Plan { cells: &CELLS, rule: RULE, ..Plan::default() };
    let deployment = Deployment::found(program, folder, &plan)?;
    for flow in deployment.document()?.split("[[flow]]").skip(1) {
        let field = |key: &str| flow.lines().find_map(|line| line.strip_prefix(&format!("{key} = ")));
        let fields = ["from", "to", "rule"].map(|key| field(key).unwrap_or_default().trim_matches('"').to_owned());
        screen.quote(&format!("{} → {}: {}", fields[0], fields[1], fields[2]))?;
    }
    for (name, region) in CELLS {
        let runs = || -> Result<String> {
            let answer = deployment.cell(name)?.json(&["directory", "status"])?;
            let status = &answer["status"];
            ensure!(status["cell"] == name && status["region"] == region, "it says {status}");
            Ok(format!(
                "region {region}, document {}, names are decided by {}",
                status["serial"],
                status["decider"].as_str().unwrap_or_default()
            ))
        };
        screen.claim(&format!("{name} runs"), runs())?;
    }
    Ok(deployment)
}

fn three_people(deployment: Deployment, driver: &Program, folder: &Path, screen: &mut Screen<'_>) -> Result<Demo> {
    screen.act("Three people, each with a home in one cell")?;
    screen.tell(
        "Their clients are matrix-sdk, which nobody here wrote. Nothing in a Matrix id says where its home is.",
    )?;
    let arrive = |name, cell: &str| -> Result<Person> {
        let person = Person::arrive(name, deployment.cell(cell)?, driver, folder);
        person.with_context(|| format!("{name} at {cell}"))
    };
    let (anna, boris, vera) = (arrive("anna", "eu1")?, arrive("boris", "ru1")?, arrive("vera", "ru1")?);
    for (cell, people) in [("eu1", vec![&anna]), ("ru1", vec![&boris, &vera])] {
        let names: Vec<&str> = people.iter().map(|person| person.player.user.as_str()).collect();
        let at_home = || -> Result<String> {
            let answer = deployment.cell(cell)?.json(&["directory", "status"])?;
            let homes = answer["status"]["at_home"].as_u64().and_then(|homes| usize::try_from(homes).ok());
            // The account by which the cell tells people something takes its name in the background.
            ensure!(
                homes.is_some_and(|homes| (names.len()..=names.len() + 1).contains(&homes)),
                "it says {}",
                answer["status"]
            );
            Ok(format!("{} of {} whose homes it knows", names.len(), answer["status"]["tickets"]))
        };
        screen.claim(&format!("{} at home in {cell}", and(&names)), at_home())?;
    }
    Ok(Demo { deployment, anna, boris, vera, room: String::new(), texts: Vec::new() })
}

/// Names as one says them.
fn and(names: &[&str]) -> String {
    let are = if names.len() == 1 { "is" } else { "are" };
    format!("{} {are}", names.join(" and "))
}

impl Demo {
    /// What the cells' audits say.
    fn where_everything_is(&self, screen: &mut Screen<'_>) -> Result<Vec<places::Audit>> {
        screen.act("Where everything is")?;
        screen.tell("Each cell's audit walks every table of its database. These are rows, by class of data and by whose they are:")?;
        let audits = places::audits(&self.deployment, &["eu1", "ru1"])?;
        places::show(screen, &audits)?;
        screen.tell("What a cell has of people of the other one, and why:")?;
        for reason in places::reasons(&audits) {
            screen.quote(&reason)?;
        }
        for audit in &audits {
            screen.claim("The audit passes", places::passed(audit))?;
        }
        let gaps = audits.first().map(places::not_covered).unwrap_or_default();
        ensure!(!gaps.is_empty(), "an audit begins with what it does not cover, and this one does not");
        screen.tell(&format!("What no audit can tell, as it says itself: {}.", gaps.join("; ")))?;
        Ok(audits)
    }
}
