//! Who talks, who comes and goes, and further devices.

#![expect(clippy::disallowed_methods, reason = "a play goes on in real time")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use parking_lot::Mutex;

use crate::driver::{Driver, Program};
use crate::plays::PATIENCE;
use crate::plays::cells::Cell;
use crate::plays::federation::person::Line;
use crate::plays::stage::{PASSWORD, token};

/// Between two messages of somebody.
const WRITING: Duration = Duration::from_secs(4);
/// How long somebody who comes and goes stays, and stays away.
const STROLL: Duration = Duration::from_secs(7);
/// After so many messages, somebody looks at what of the room's past they can read.
const LOOKS: u32 = 15;
/// So much of it: what a cell gives at once.
const PAST: u32 = 1_000;
/// Before a look at whether to stop.
const MOMENT: Duration = Duration::from_millis(100);

/// What cells took, by its event.
#[derive(Debug, Default)]
pub(super) struct Said(Mutex<BTreeMap<String, String>>);

impl Said {
    pub(super) fn note(&self, event: String, words: &str) -> Result<()> {
        match self.0.lock().insert(event, words.to_owned()) {
            Some(before) => bail!("`{words}` and `{before}` are one event"),
            None => Ok(()),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.0.lock().len()
    }

    pub(super) fn all(&self) -> BTreeMap<String, String> {
        self.0.lock().clone()
    }
}

/// Starts a client with a new account, which receives.
fn register(name: &str, cell: &Cell, driver: &Program, folder: &Path) -> Result<(Driver, String, Line)> {
    let store = store(folder, name);
    let mut client = cell.driver(driver, name, folder)?;
    client.open(&format!("http://{}", cell.clients), &store)?;
    let (user, _) = client.register(name, PASSWORD)?;
    client.start_sync(false)?;
    client.bootstrap_cross_signing(PASSWORD)?;
    Ok((client, user, Line::of(cell.clients, token(&store)?)))
}

fn store(folder: &Path, name: &str) -> PathBuf {
    folder.join("stores").join(name)
}

/// Joins as soon as the invite is there.
pub(in crate::plays::cells) fn accept(client: &mut Driver, room: &str) -> Result<()> {
    let began = Instant::now();
    while !client.rooms()?.invited.iter().any(|invited| invited == room) {
        ensure!(began.elapsed() < PATIENCE, "the invitation did not come");
        sleep(MOMENT);
    }
    client.join(room)
}

fn pause(time: Duration, stop: &AtomicBool) {
    let ends = Instant::now() + time;
    while Instant::now() < ends && !stop.load(Ordering::Relaxed) {
        sleep(MOMENT);
    }
}

/// Somebody who stays and reads everything.
pub(super) struct Resident {
    pub(super) client: Driver,
    pub(super) user: String,
    /// The number of their cell.
    pub(super) cell: usize,
    /// The same session, by hand.
    pub(super) line: Line,
    /// What they could read in the room's past, by its event.
    past: BTreeMap<String, String>,
}

impl Resident {
    pub(super) fn arrive(name: &str, number: usize, cell: &Cell, driver: &Program, folder: &Path) -> Result<Self> {
        let (client, user, line) = register(name, cell, driver, folder)?;
        Ok(Self { client, user, cell: number, line, past: BTreeMap::new() })
    }

    /// Writes until told to stop. Their own cell is always there, so what it does not take is an error.
    pub(super) fn talk(&mut self, room: &str, said: &Said, stop: &AtomicBool) -> Result<()> {
        let mut number = 0_u32;
        while !stop.load(Ordering::Relaxed) {
            number += 1;
            self.say(room, said, &format!("plain words of {} number {number}", self.user))?;
            if number.is_multiple_of(LOOKS) {
                self.look_back(room)?;
            }
            pause(WRITING, stop);
        }
        Ok(())
    }

    /// Says something that everybody is to read.
    pub(super) fn say(&mut self, room: &str, said: &Said, words: &str) -> Result<()> {
        let event = self.client.send(room, words).with_context(|| format!("{} says `{words}`", self.user))?;
        said.note(event, words)
    }

    /// Looks at the newest part of the room's past, and remembers what can be read of it.
    pub(super) fn look_back(&mut self, room: &str) -> Result<()> {
        let history = self.client.history(room, PAST, Duration::ZERO)?;
        let readable = history.messages.into_iter().filter_map(|one| Some((one.event, one.body?)));
        self.past.extend(readable);
        Ok(())
    }

    /// Complains about what `/sync` brought twice; gives what was said and cannot be read here yet.
    pub(super) fn missing(&mut self, room: &str, said: &BTreeMap<String, String>) -> Result<Vec<String>> {
        let mut came = BTreeMap::new();
        for one in self.client.arrivals(room)? {
            let again = came.insert(one.event.clone(), one.body);
            ensure!(again.is_none(), "/sync brought {} to {} twice", one.event, self.user);
        }
        let mut missing = Vec::new();
        for (event, words) in said {
            let body = came.get(event).and_then(Option::as_ref).or_else(|| self.past.get(event));
            match body {
                Some(body) => ensure!(body == words, "`{words}` is `{body}` for {}", self.user),
                None => missing.push(format!(
                    "{event} (`{words}`, {})",
                    if came.contains_key(event) { "came undecrypted" } else { "did not come" }
                )),
            }
        }
        Ok(missing)
    }
}

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
