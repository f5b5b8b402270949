//! Who comes and goes, and further devices.

#![expect(clippy::disallowed_methods, reason = "a play goes on in real time")]

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::driver::{Driver, Program};
use crate::plays::PATIENCE;
use crate::plays::cells::Cell;
use crate::plays::cells::people::{MOMENT, Said, pause, register, store};
use crate::plays::federation::person::Line;
use crate::plays::stage::PASSWORD;

/// How long somebody who comes and goes stays, and stays away.
const STROLL: Duration = Duration::from_secs(7);

/// Somebody who comes, says something and goes.
pub(super) struct Wanderer {
    pub(super) client: Driver,
    pub(super) user: String,
    /// The number of their cell.
    pub(super) cell: usize,
    line: Line,
}

impl Wanderer {
    pub(super) fn arrive(name: &str, number: usize, cell: &Cell, driver: &Program, folder: &Path) -> Result<Self> {
        let (client, user, line) = register(name, cell, driver, folder)?;
        Ok(Self { client, user, cell: number, line })
    }

    /// Comes and goes until told to stop; gives how often. Their cell is in the room whatever becomes of others, so what it refuses is an error.
    pub(super) fn wander(&mut self, cell: &Cell, room: &str, said: &Said, stop: &AtomicBool) -> Result<usize> {
        let mut times = 0;
        while !stop.load(Ordering::Relaxed) {
            times += 1;
            self.client.join(room).with_context(|| format!("{} comes in for the {times}. time", self.user))?;
            let words = format!("plain words of {} on visit {times}", self.user);
            let event = self.client.send(room, &words).with_context(|| format!("{} says `{words}`", self.user))?;
            said.note(event, &words)?;
            pause(STROLL, stop);
            self.leave(cell, room)?;
            pause(STROLL, stop);
        }
        Ok(times)
    }

    pub(super) fn leave(&mut self, cell: &Cell, room: &str) -> Result<()> {
        let line = &self.line;
        cell.inside(|| line.membership("leave", room, None))?.with_context(|| format!("{} leaves", self.user))?;
        // The client has heard of it when the next visit begins.
        let began = Instant::now();
        while self.client.rooms()?.joined.iter().any(|joined| joined == room) {
            ensure!(began.elapsed() < PATIENCE, "{} does not hear that they have left", self.user);
            sleep(MOMENT);
        }
        Ok(())
    }
}

/// A further device of somebody who stays.
pub(super) struct Device {
    pub(super) client: Driver,
    pub(super) title: String,
}

impl Device {
    pub(super) fn log_in(number: usize, user: &str, cell: &Cell, driver: &Program, folder: &Path) -> Result<Self> {
        let name = format!("device{number}");
        let mut client = cell.driver(driver, &name, folder)?;
        client.open(&format!("http://{}", cell.clients), &store(folder, &name))?;
        let (_, device) = client.login(user, PASSWORD)?;
        client.start_sync(false)?;
        Ok(Self { client, title: format!("{device} of {user}") })
    }
}
