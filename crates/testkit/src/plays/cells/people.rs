//! People with encrypted clients who say things, and read what the others say.

#![expect(clippy::disallowed_methods, reason = "a play goes on in real time")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use parking_lot::Mutex;

use super::Cell;
use crate::driver::{Driver, Program};
use crate::plays::federation::person::Line;
use crate::plays::stage::{PASSWORD, token};
use crate::plays::{PATIENCE, once_each};

/// Between two messages of somebody.
const WRITING: Duration = Duration::from_secs(4);
/// After so many messages, somebody looks at what of the room's past they can read.
const LOOKS: u32 = 15;
/// What a client is told whose session has ended, or who is not in the room.
const OVER: [&str; 2] = ["M_UNKNOWN_TOKEN", "M_FORBIDDEN"];
/// So much of a room's past is looked at: what a cell gives at once.
const PAST: u32 = 1_000;
/// How long what was said may take to come to everybody once nothing is in its way: cells try again after half a minute at most.
const ARRIVAL: Duration = Duration::from_mins(5);
const PAUSE: Duration = Duration::from_secs(1);
/// Before a look at whether to stop.
pub(super) const MOMENT: Duration = Duration::from_millis(100);
/// What is shown of a list in a complaint.
const SOME: usize = 5;

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
pub(super) fn register(name: &str, cell: &Cell, driver: &Program, folder: &Path) -> Result<(Driver, String, Line)> {
    let store = store(folder, name);
    let mut client = cell.driver(driver, name, folder)?;
    client.open(&format!("http://{}", cell.clients), &store)?;
    let (user, _) = client.register(name, PASSWORD)?;
    client.start_sync(false)?;
    client.bootstrap_cross_signing(PASSWORD)?;
    Ok((client, user, Line::of(cell.clients, token(&store)?)))
}

pub(super) fn store(folder: &Path, name: &str) -> PathBuf {
    folder.join("stores").join(name)
}

/// Joins as soon as the invite is there.
pub(super) fn accept(client: &mut Driver, room: &str) -> Result<()> {
    let began = Instant::now();
    while !client.rooms()?.invited.iter().any(|invited| invited == room) {
        ensure!(began.elapsed() < PATIENCE, "the invitation did not come");
        sleep(MOMENT);
    }
    client.join(room)
}

pub(super) fn pause(time: Duration, stop: &AtomicBool) {
    let ends = Instant::now() + time;
    while Instant::now() < ends && !stop.load(Ordering::Relaxed) {
        sleep(MOMENT);
    }
}

/// Somebody who stays in a room and reads everything.
pub(super) struct Resident {
    pub(super) client: Driver,
    pub(super) user: String,
    /// The number of the cell where their client connects.
    pub(super) cell: usize,
    /// Whether they move between cells meanwhile. A new home shows the ends of rooms as after a gap, so that an event may come again.
    pub(super) moves: bool,
    /// The same session, by hand.
    pub(super) line: Line,
    /// What they could read in the room's past, by its event.
    past: BTreeMap<String, String>,
}

impl Resident {
    pub(super) fn arrive(name: &str, number: usize, cell: &Cell, driver: &Program, folder: &Path) -> Result<Self> {
        let (client, user, line) = register(name, cell, driver, folder)?;
        Ok(Self { client, user, cell: number, moves: false, line, past: BTreeMap::new() })
    }

    /// Writes until told to stop. What no cell took in the time that it may take to be there again is an error, and so is an end of the session.
    pub(super) fn talk(&mut self, room: &str, said: &Said, patience: Duration, stop: &AtomicBool) -> Result<()> {
        let (mut number, mut taken) = (0_u32, Instant::now());
        while !stop.load(Ordering::Relaxed) {
            number += 1;
            let mut done = self.say(room, said, &format!("plain words of {} number {number}", self.user));
            if number.is_multiple_of(LOOKS) {
                done = done.and(self.look_back(room));
            }
            match done {
                Ok(()) => taken = Instant::now(),
                Err(error) => {
                    let words = format!("{error:#}");
                    let is_over = OVER.iter().any(|code| words.contains(code));
                    ensure!(!is_over && taken.elapsed() < patience, "{words}");
                }
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
            let again = came.get(&one.event);
            ensure!(self.moves || again.is_none(), "/sync brought {} to {} twice", one.event, self.user);
            let body = one.body.or_else(|| again.cloned().flatten());
            came.insert(one.event, body);
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

/// Everybody says something, and all read it: each client has spoken to each other one before anything bad happens.
pub(super) fn everybody_reads(clients: &mut [(&str, &mut Driver)], room: &str) -> Result<()> {
    let members = clients.len() as u64;
    for (user, client) in &mut *clients {
        client.wait_members(room, members).with_context(|| format!("{user} looks who is there"))?;
    }
    let words: Vec<String> = clients.iter().map(|(user, _)| format!("{user} is here")).collect();
    for ((user, client), words) in clients.iter_mut().zip(&words) {
        client.send(room, words).with_context(|| format!("{user} says the first words"))?;
    }
    for (user, client) in clients {
        once_each(user, &client.expect(room, &words, PATIENCE)?)?;
    }
    Ok(())
}

/// Waits until everything that was said is at everybody who stayed, once and decrypted.
pub(super) fn everything_came(residents: &mut [Resident], room: &str, said: &Said) -> Result<()> {
    let (began, said) = (Instant::now(), said.all());
    for resident in residents {
        loop {
            if resident.missing(room, &said)?.is_empty() {
                break;
            }
            resident.look_back(room)?;
            let missing = resident.missing(room, &said)?;
            if missing.is_empty() {
                break;
            }
            ensure!(
                began.elapsed() < ARRIVAL,
                "{} of {} messages have not come to {} after {ARRIVAL:?}: {:?}",
                missing.len(),
                said.len(),
                resident.user,
                &missing[..missing.len().min(SOME)]
            );
            sleep(PAUSE);
        }
    }
    Ok(())
}
