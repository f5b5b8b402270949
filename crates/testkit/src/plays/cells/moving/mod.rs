//! People who write without a pause move from cell to cell, and back, while either cell is killed again and again. Some of them have clients of
//! matrix-sdk, in an encrypted room.
//!
//! A wave is a move of all who move. When it is over the next begins, until cells were killed as often as was asked; then the last is waited for.
//! In the end each person has one home, everything that was acknowledged is there once, the encrypted clients are still logged in and have
//! decrypted everything, and nothing of anybody is where it must not be.

#![expect(clippy::disallowed_methods, reason = "a play goes on in real time")]

mod company;
mod end;
mod orders;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};

use self::company::{Account, Company, gather, gather_encrypted};
use self::end::{arrived, at_the_end};
use self::orders::{order, over, standing};
use super::deployment::{Deployment, Plan};
use super::people::{Said, everything_came};
use crate::chance::Chance;
use crate::driver::Program;
use crate::plays::federation::traffic::Promises;

/// How long what was acknowledged may take to come to everybody, and a wave to end after the last kill. A step of a move that failed waits for a
/// minute at most. So long may an encrypted client be refused, too.
const PATIENCE: Duration = Duration::from_mins(3);
const PAUSE: Duration = Duration::from_millis(50);
/// The cells, and the regions to which people move.
const CELLS: [(&str, &str); 2] = [("eu1", "eu"), ("ru1", "ru")];

/// What is tried.
#[derive(Debug, Clone, Copy)]
pub struct Moving {
    /// Who moves with a client that does not encrypt.
    pub people: usize,
    /// Who moves with a client of matrix-sdk.
    pub encrypted: usize,
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
    /// Encrypted messages that were acknowledged, beside those.
    pub encrypted: usize,
}

/// Plays it in a folder; an error at the first broken promise. What happens is told by `tell`.
pub fn play(
    moving: &Moving,
    program: &Path,
    driver: &Program,
    folder: &Path,
    tell: &mut dyn FnMut(&str),
) -> Result<Outcome> {
    let plan = Plan { cells: &CELLS, rule: "allow", ..Plan::default() };
    let mut deployment = Deployment::found(program, folder, &plan)?;
    let mut company = gather(&deployment, moving.people)?;
    let (private, mut residents) = gather_encrypted(&deployment, moving, driver, folder)?;
    company.accounts.extend(residents.iter().filter(|one| one.moves).map(Account::of));
    tell(&format!(
        "{} people in {} cells and one room, and {} encrypted clients in another",
        company.readers().count(),
        CELLS.len(),
        residents.len()
    ));
    let (promises, said) = (Promises::default(), Said::default());
    let (stop_writing, stop_reading) = (AtomicBool::new(false), AtomicBool::new(false));
    let outcome = thread::scope(|scope| {
        let (room, private) = (company.room.as_str(), private.as_str());
        let (promises, said) = (&promises, &said);
        let (stop_writing, stop_reading) = (&stop_writing, &stop_reading);
        let writers = company.movers.iter().map(|mover| &mover.writer);
        let mut writing: Vec<_> =
            writers.map(|writer| scope.spawn(move || writer.write(room, promises, stop_writing))).collect();
        writing.extend(
            residents.iter_mut().map(|one| scope.spawn(move || one.talk(private, said, PATIENCE, stop_writing))),
        );
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
    for resident in &mut residents {
        let words = format!("the last words of {}", resident.user);
        resident.say(&private, &said, &words)?;
    }
    everything_came(&mut residents, &private, &said)?;
    tell("the encrypted clients are logged in, and everything is decrypted at each of them");
    at_the_end(&deployment, &company, &promises, residents.len())?;
    tell("each person has one home and one session, both cells have the same room, both audits are clean");
    let (messages, letters) = promises.counts();
    Ok(Outcome { messages, letters, encrypted: said.count(), ..outcome })
}

fn join(threads: Vec<thread::ScopedJoinHandle<'_, Result<()>>>) -> Result<()> {
    threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a thread of the play panicked"))?)
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
    let mut wanted: Vec<usize> = company.accounts.iter().map(|account| account.first).collect();
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
        outcome.moves += company.accounts.len();
        tell(&format!("wave {}: {} people have moved", outcome.waves, company.accounts.len()));
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
