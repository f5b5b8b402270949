//! Two servers that nobody introduced to each other, and people on both who share rooms.
//!
//! A scene is a room version and a direction: who makes the rooms is `home`, who comes from the other server is `away`.
//! It is played in small steps, and a step that fails does not end the play: the report tells all of them, one by one.

pub mod disguise;
mod doors;
pub mod hosts;
pub(in crate::plays) mod http;
pub mod kills;
pub(in crate::plays) mod link;
mod outage;
pub(in crate::plays) mod person;
mod recorder;
mod report;
mod side;
mod signs;
mod split;
mod talk;
pub(in crate::plays) mod traffic;
mod upgrade;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

pub use report::Report;
pub use side::{Kind, Programs};

use crate::driver::Program;
use crate::server::certificate;
use person::Person;
use side::Side;

/// How long something may take from one server to the other.
const PATIENCE: Duration = Duration::from_secs(15);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// What is played.
#[derive(Debug)]
pub struct Plan {
    /// The two servers.
    pub pair: [Kind; 2],
    /// The versions of the rooms.
    pub versions: Vec<String>,
    /// Parts of which only some are wanted: `talk`, `signs`, `doors`, `upgrade`, `split`, `outage`; all where it is empty.
    pub only: Vec<String>,
    /// How long everything takes on its way to the other server.
    pub delay: Duration,
}

/// A room version and a direction.
struct Scene<'a> {
    version: &'a str,
    home: &'a mut Person,
    away: &'a mut Person,
    report: &'a mut Report,
}

/// Plays everything with what the servers and clients write in `folder`.
pub fn play(plan: &Plan, programs: &Programs, driver: &Program, folder: &Path) -> Result<Report> {
    let files = certificate(folder, &["localhost", "127.0.0.1"]);
    let [first, second] = plan.pair;
    let mut left = Side::start(first, "left", programs, &files, plan.delay, folder)?;
    let mut right = Side::start(second, "right", programs, &files, plan.delay, folder)?;
    let mut report = Report::new(vec![(left.title(), left.log()), (right.title(), right.log())]);
    left.meet(&right, &mut report);
    right.meet(&left, &mut report);
    let people = (Person::arrive("anna", &left, driver, folder), Person::arrive("boris", &right, driver, folder));
    let (mut anna, mut boris) =
        (people.0.context("anna on the first server")?, people.1.context("boris on the second server")?);
    for version in &plan.versions {
        for turned in [false, true] {
            let (home, away) = if turned { (&mut boris, &mut anna) } else { (&mut anna, &mut boris) };
            report.scene(&format!("room version {version}, made by {home}, with {away}"));
            let mut scene = Scene { version, home, away, report: &mut report };
            scene.play(&plan.only)?;
        }
    }
    if wanted(&plan.only, "split") {
        split::play(&mut report, [&left, &right], [&mut anna, &mut boris]);
    }
    if wanted(&plan.only, "outage") {
        outage::play(&mut report, [&mut left, &mut right], [&mut anna, &mut boris]);
    }
    Ok(report)
}

fn wanted(only: &[String], part: &str) -> bool {
    only.is_empty() || only.iter().any(|name| name == part)
}

impl Scene<'_> {
    fn play(&mut self, only: &[String]) -> Result<()> {
        self.home.line.forget()?;
        self.away.line.forget()?;
        let inside = ["talk", "signs", "doors"].map(|part| wanted(only, part));
        if inside.contains(&true)
            && let Some(room) = self.meet()
        {
            let [talk, signs, doors] = inside;
            if talk {
                self.talk(&room);
            }
            if signs {
                self.signs(&room);
            }
            if doors {
                self.doors(&room);
            }
        }
        if wanted(only, "upgrade") {
            self.upgrade();
        }
        Ok(())
    }
}
