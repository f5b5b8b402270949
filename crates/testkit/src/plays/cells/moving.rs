//! People who write without a pause move from cell to cell, and back, while either cell is killed again and again.
//!
//! A wave is a move of all who move. When it is over the next begins, until cells were killed as often as was asked; then the last is waited for.
//! In the end each person has one home, everything that was acknowledged is there once, and nothing of anybody is where it must not be.

#![expect(clippy::disallowed_methods, reason = "a play goes on in real time")]

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use serde_json::{Value, json};

use super::audits::clean;
use super::deployment::{Deployment, Plan};
use crate::chance::Chance;
use crate::plays::federation::http::{ask, exchange};
use crate::plays::federation::person::Line;
use crate::plays::federation::traffic::{Promises, Reader, Writer, same_state};
use crate::plays::stage::PASSWORD;

/// How long what was acknowledged may take to come to everybody, and a wave to end after the last kill. A step of a move that failed waits for a
/// minute at most.
const PATIENCE: Duration = Duration::from_mins(3);
const PAUSE: Duration = Duration::from_millis(50);
/// Between two messages of one person.
const WRITING: Duration = Duration::from_millis(200);
/// Events that nobody looks for before this are fetched by paging back.
const PAGING: Duration = Duration::from_secs(8);
/// The cells, and the regions to which people move.
const CELLS: [(&str, &str); 2] = [("eu1", "eu"), ("ru1", "ru")];

/// What is tried.
#[derive(Debug, Clone, Copy)]
pub struct Moving {
    /// Who moves.
    pub people: usize,
    /// How often a cell is killed.
    pub rounds: u32,
    /// Chooses the cells and the moments.
    pub seed: u64,
}

/// How it went.
#[derive(Debug, Clone, Copy, Default)]
pub struct Outcome {
    /// Waves of moves.
    pub waves: u32,
    /// Moves that were over.
    pub moves: usize,
    /// Messages that were acknowledged.
    pub messages: usize,
    /// Those of them that went to devices.
    pub letters: usize,
}

/// Somebody who moves.
struct Mover {
    user: String,
    /// Where they registered, and where their client has connected ever since.
    first: usize,
    writer: Writer,
    reader: Reader,
    /// A session of the same device for the look at the end.
    line: Line,
}

/// Everybody.
struct Company {
    room: String,
    settlers: Vec<Reader>,
    movers: Vec<Mover>,
}

impl Company {
    fn readers(&self) -> impl Iterator<Item = &Reader> {
        self.settlers.iter().chain(self.movers.iter().map(|mover| &mover.reader))
    }
}

/// Plays it in a folder; an error at the first broken promise. What happens is told by `tell`.
pub fn play(moving: &Moving, program: &Path, folder: &Path, tell: &mut dyn FnMut(&str)) -> Result<Outcome> {
    let plan = Plan { cells: &CELLS, rule: "allow", ..Plan::default() };
    let mut deployment = Deployment::found(program, folder, &plan)?;
    let company = gather(&deployment, moving.people)?;
    tell(&format!("{} people in {} cells, one room", moving.people + company.settlers.len(), CELLS.len()));
    let promises = Promises::default();
    let (stop_writing, stop_reading) = (AtomicBool::new(false), AtomicBool::new(false));
    let outcome = thread::scope(|scope| {
        let (room, promises) = (company.room.as_str(), &promises);
        let (stop_writing, stop_reading) = (&stop_writing, &stop_reading);
        let writers = company.movers.iter().map(|mover| &mover.writer);
        let writing: Vec<_> =
            writers.map(|writer| scope.spawn(move || writer.write(room, promises, stop_writing))).collect();
        let reading: Vec<_> =
            company.readers().map(|reader| scope.spawn(move || reader.read(room, stop_reading))).collect();
        let outcome = waves(moving, &mut deployment, &company, promises, tell);
        stop_writing.store(true, Ordering::Relaxed);
        let written = join(writing);
        let outcome = outcome.and_then(|outcome| {
            arrived(&company, promises).context("at the end")?;
            Ok(outcome)
        });
        stop_reading.store(true, Ordering::Relaxed);
        // What a thread complains of is the cause of what else went wrong.
        written.and(join(reading)).and(outcome)
    })?;
    tell("everything that was acknowledged came to everybody, once");
    at_the_end(&deployment, &company, &promises)?;
    tell("each person has one home and one session, both cells have the same room, both audits are clean");
    let (messages, letters) = promises.counts();
    Ok(Outcome { messages, letters, ..outcome })
}

fn join(threads: Vec<thread::ScopedJoinHandle<'_, Result<()>>>) -> Result<()> {
    threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a thread of the play panicked"))?)
}

/// Two who stay, one in each cell, and those who move, in one room.
fn gather(deployment: &Deployment, people: usize) -> Result<Company> {
    let addresses = CELLS.iter().map(|(cell, _)| Ok(deployment.cell(cell)?.clients)).collect::<Result<Vec<_>>>()?;
    let host = Line::register(addresses[0], "settler0")?;
    let room = host.0.create("12", json!({ "preset": "public_chat" }))?;
    let join = |line: &Line, user: &str| -> Result<()> {
        host.0.membership("invite", &room, Some(user))?;
        line.join(&room, None).with_context(|| format!("{user} joins"))
    };
    let other = Line::register(addresses[1], "settler1")?;
    join(&other.0, &other.1)?;
    let mut lines = Vec::with_capacity(people);
    for number in 0..people {
        let first = number % CELLS.len();
        let (line, user) = Line::register(addresses[first], &format!("mover{number}"))?;
        join(&line, &user)?;
        lines.push((first, line, user));
    }
    // Everybody writes to the next one's devices, too.
    let names: Vec<String> = lines.iter().map(|(_, _, user)| user.clone()).collect();
    let friends = names.iter().cycle().skip(1).cloned();
    let movers = lines.into_iter().zip(friends).map(|((first, line, user), friend)| Mover {
        first,
        writer: Writer {
            line: line.another(),
            name: user.clone(),
            pause: WRITING,
            pen_friend: Some(friend),
            moves: true,
        },
        reader: Reader::who_moves(line.another(), user.clone()),
        line,
        user,
    });
    let movers = movers.collect();
    let settlers = vec![Reader::new(host.0, host.1), Reader::new(other.0, other.1)];
    Ok(Company { room, settlers, movers })
}

/// Kills cells under moves, as often as was asked, and waits for the last wave.
fn waves(
    moving: &Moving,
    deployment: &mut Deployment,
    company: &Company,
    promises: &Promises,
    tell: &mut dyn FnMut(&str),
) -> Result<Outcome> {
    let mut chance = Chance::new(moving.seed);
    let mut outcome = Outcome::default();
    // Where each one is to be.
    let mut wanted: Vec<usize> = company.movers.iter().map(|mover| mover.first).collect();
    let mut round = 0;
    loop {
        for cell in &mut wanted {
            *cell = (*cell + 1) % CELLS.len();
        }
        order(deployment, company, &wanted)?;
        outcome.waves += 1;
        let mut last_kill = Instant::now();
        while !over(deployment, company, &wanted)? {
            if round < moving.rounds {
                round += 1;
                kill(round, moving.rounds, deployment, &mut chance, promises, tell)?;
                last_kill = Instant::now();
                continue;
            }
            let waits = || format!("the moves do not end: {}", standing(deployment));
            ensure!(last_kill.elapsed() < PATIENCE, waits());
            sleep(PAUSE);
        }
        outcome.moves += company.movers.len();
        tell(&format!("wave {}: {} people have moved", outcome.waves, company.movers.len()));
        if round >= moving.rounds {
            return Ok(outcome);
        }
    }
}

/// Kills a cell at some moment, and starts it again.
fn kill(
    round: u32,
    rounds: u32,
    deployment: &mut Deployment,
    chance: &mut Chance,
    promises: &Promises,
    tell: &mut dyn FnMut(&str),
) -> Result<()> {
    sleep(Duration::from_millis(chance.between(20, 900)));
    let victim = CELLS[usize::try_from(chance.between(0, CELLS.len() as u64)).unwrap_or_default()].0;
    let cell = deployment.cell_mut(victim)?;
    cell.kill()?;
    // Some of the time, the other one notices that it is alone.
    sleep(Duration::from_millis(chance.between(0, 400)));
    cell.start()?;
    tell(&format!("kill {round} of {rounds}: {victim}; {} acknowledged so far", promises.so_far().len()));
    Ok(())
}

/// Orders the moves of all who are not where they are wanted. All cells run.
fn order(deployment: &Deployment, company: &Company, wanted: &[usize]) -> Result<()> {
    for (number, (_, region)) in CELLS.iter().enumerate() {
        let going: Vec<&str> = company
            .movers
            .iter()
            .zip(wanted)
            .filter(|(_, wanted)| **wanted == number)
            .map(|(mover, _)| mover.user.as_str())
            .collect();
        // They are all in the other one.
        let from = CELLS[(number + 1) % CELLS.len()].0;
        if !going.is_empty() {
            let words = ["--to", region, "--no-wait", "--reason", "a play", "--as", "the play"];
            deployment.cell(from)?.json(&[&["move"][..], &going[..], &words[..]].concat())?;
        }
    }
    Ok(())
}

/// The moves from a cell, the newest first.
fn moves_from(deployment: &Deployment, cell: usize) -> Result<Vec<Value>> {
    let mut told = deployment.cell(CELLS[cell].0)?.json(&["move", "--list"])?;
    serde_json::from_value(told["moves"].take()).context("understanding a list of moves")
}

/// Whether all moves of a wave are over. One that was stopped is an error: nobody stopped it.
fn over(deployment: &Deployment, company: &Company, wanted: &[usize]) -> Result<bool> {
    for (from, (cell, _)) in CELLS.iter().enumerate() {
        let moves = moves_from(deployment, from)?;
        for (mover, _) in company.movers.iter().zip(wanted).filter(|(_, wanted)| **wanted != from) {
            let last = moves.iter().find(|one| one["user_id"] == *mover.user);
            let last = last.with_context(|| format!("{cell} forgot the move of {}", mover.user))?;
            ensure!(last["state"] != "stopped", "{} does not move: {last}", mover.user);
            if last["ended_ts"].is_null() {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// How the moves stand that are not over, for whoever looks for a mistake.
fn standing(deployment: &Deployment) -> String {
    let mut words = Vec::new();
    for (number, (cell, _)) in CELLS.iter().enumerate() {
        for one in moves_from(deployment, number).unwrap_or_default() {
            if one["ended_ts"].is_null() {
                words.push(format!("{} from {cell}: {} ({})", one["user_id"], one["state"], one["error"]));
            }
        }
    }
    words.join("; ")
}

/// Waits until everything that was acknowledged has come to everybody, and complains if anything came twice.
fn arrived(company: &Company, promises: &Promises) -> Result<()> {
    let (began, promised) = (Instant::now(), promises.so_far());
    for reader in company.readers() {
        let mut paging = Instant::now() + PAGING;
        loop {
            reader.nothing_twice()?;
            let missing = reader.missing(&promised);
            if missing.is_empty() {
                break;
            }
            let some = &missing[..missing.len().min(5)];
            ensure!(
                began.elapsed() < PATIENCE,
                "{} of {} acknowledged have not come to {}: {some:?}",
                missing.len(),
                promised.len(),
                reader.user()
            );
            if paging < Instant::now() {
                reader.look_back(&company.room, promises)?;
                paging = Instant::now() + PAGING;
            }
            sleep(PAUSE);
        }
    }
    Ok(())
}

fn at_the_end(deployment: &Deployment, company: &Company, promises: &Promises) -> Result<()> {
    let began = Instant::now();
    // Both cells have the same room, and its whole past.
    loop {
        let views = company.settlers.iter().map(|reader| reader.view(&company.room)).collect::<Result<Vec<_>>>()?;
        match same_state(&views) {
            Err(_) if began.elapsed() < PATIENCE => sleep(PAUSE),
            other => break other?,
        }
    }
    for reader in company.readers() {
        loop {
            let missing = reader.look_back(&company.room, promises)?;
            if missing.is_empty() {
                break;
            }
            let some = &missing[..missing.len().min(5)];
            ensure!(began.elapsed() < PATIENCE, "{} are not in the past of {}: {some:?}", missing.len(), reader.user());
            sleep(PAUSE);
        }
    }
    company.movers.iter().try_for_each(|mover| one_home(deployment, mover))?;
    clean(deployment, company.readers().count())
}

/// Somebody's password opens one cell, and their old session goes on at whichever address they ask.
fn one_home(deployment: &Deployment, mover: &Mover) -> Result<()> {
    let mut homes = Vec::new();
    let login = json!({
        "type": "m.login.password", "identifier": { "type": "m.id.user", "user": mover.user }, "password": PASSWORD,
    });
    for (cell, _) in CELLS {
        let address = deployment.cell(cell)?.clients;
        let (status, told) = exchange(address, None, "POST", "/_matrix/client/v3/login", Some(&login))?;
        ensure!(status < 500, "{cell} answers a password of {} with {status}: {told}", mover.user);
        if status == 200 {
            homes.push(cell);
        }
        let who = ask(address, Some(mover.line.token()), "GET", "/_matrix/client/v3/account/whoami", None)
            .with_context(|| format!("{} at {cell}", mover.user))?;
        ensure!(who["user_id"] == *mover.user, "the session of {} at {cell} is {who}", mover.user);
    }
    ensure!(homes.len() == 1, "{} has {} homes: {homes:?}", mover.user, homes.len());
    Ok(())
}
