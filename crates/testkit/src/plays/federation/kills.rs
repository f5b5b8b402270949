//! Two servers with traffic both ways, one of which is killed at some moment, again and again.
//!
//! In each round one of those that are ours gets SIGKILL and starts again while people on both write, and everything that was
//! acknowledged until then must come to everybody before the next round. Traffic does not stop between rounds.

#![expect(clippy::disallowed_methods, reason = "a play goes on in real time")]

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use serde_json::json;

use super::person::Line;
use super::side::{Kind, Programs, Side};
use super::traffic::{Promises, Reader, Writer, arrived, same_state, whole_past};
use crate::chance::Chance;
use crate::server::certificate;

/// How long what was acknowledged may take to come to everybody. Servers try again after seconds.
const PATIENCE: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(20);
/// Who writes on each server, and how fast.
const WRITERS: usize = 2;
const WRITING: Duration = Duration::from_millis(20);
/// The same where Synapse takes part, which drops what comes faster than it can take it in.
const WRITING_SLOWLY: Duration = Duration::from_millis(250);

/// What is tried.
#[derive(Debug)]
pub struct Kills {
    /// The two servers. Those that are ours are killed in turn.
    pub pair: [Kind; 2],
    /// How often one is killed.
    pub rounds: u32,
    /// Chooses the moments.
    pub seed: u64,
    /// The version of the room.
    pub version: String,
}

/// Kills as often as was asked; an error at the first broken promise. Each round is told by `tell`.
pub fn play(kills: &Kills, programs: &Programs, folder: &Path, tell: &mut dyn FnMut(&str)) -> Result<()> {
    let files = certificate(folder, &["localhost", "127.0.0.1"]);
    let [first, second] = kills.pair;
    let left = Side::start(first, "left", programs, &files, Duration::ZERO, folder)?;
    let right = Side::start(second, "right", programs, &files, Duration::ZERO, folder)?;
    let mut sides = [left, right];
    let (room, readers, writers) = gather(&sides, kills)?;
    let promises = Promises::default();
    let (stop_writing, stop_reading) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        let (room, promises, stop_writing, stop_reading) = (room.as_str(), &promises, &stop_writing, &stop_reading);
        let writing: Vec<_> =
            writers.iter().map(|writer| scope.spawn(move || writer.write(room, promises, stop_writing))).collect();
        let reading: Vec<_> =
            readers.iter().map(|reader| scope.spawn(move || reader.read(room, stop_reading))).collect();
        let outcome = rounds(kills, &mut sides, &readers, room, promises, tell);
        stop_writing.store(true, Ordering::Relaxed);
        let written = join(writing);
        let outcome =
            outcome.and_then(|()| arrived(&readers, &sides, room, promises, &promises.so_far()).context("at the end"));
        stop_reading.store(true, Ordering::Relaxed);
        // What a thread complains of is the cause of what else went wrong.
        written.and(join(reading)).and(outcome)
    })?;
    settle(&readers, &room)?;
    readers.iter().zip(&sides).try_for_each(|(reader, side)| whole_past(reader, side, &room, &promises))
}

fn rounds(
    kills: &Kills,
    sides: &mut [Side<'_>; 2],
    readers: &[Reader; 2],
    room: &str,
    promises: &Promises,
    tell: &mut dyn FnMut(&str),
) -> Result<()> {
    let mut chance = Chance::new(kills.seed);
    let mut victims = [0, 1].into_iter().filter(|side| kills.pair[*side] == Kind::Domicile).cycle();
    for round in 1..=kills.rounds {
        let victim = victims.next().context("neither of the two is Domicile")?;
        let side = &mut sides[victim];
        sleep(Duration::from_millis(chance.between(50, 1_500)));
        side.kill()?;
        // Some of the time, the other one notices that it is alone.
        sleep(Duration::from_millis(chance.between(0, 400)));
        side.run()?;
        let (title, promised, began) = (side.title(), promises.so_far(), Instant::now());
        arrived(readers, sides, room, promises, &promised).with_context(|| format!("round {round}, {title} killed"))?;
        let (count, took) = (promised.len(), began.elapsed().as_millis());
        tell(&format!(
            "kill {round} of {}: {title}; {count} acknowledged, all there, none twice, {took} ms after",
            kills.rounds
        ));
    }
    Ok(())
}

fn join(threads: Vec<thread::ScopedJoinHandle<'_, Result<()>>>) -> Result<()> {
    threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a thread of the play panicked"))?)
}

/// Waits until both servers have the same state.
fn settle(readers: &[Reader; 2], room: &str) -> Result<()> {
    let began = Instant::now();
    loop {
        let views = readers.iter().map(|reader| reader.view(room)).collect::<Result<Vec<_>>>()?;
        match same_state(&views) {
            Err(_) if began.elapsed() < PATIENCE => sleep(PAUSE),
            other => return other,
        }
    }
}

/// A room with a reader and writers of each server.
fn gather(sides: &[Side<'_>; 2], kills: &Kills) -> Result<(String, [Reader; 2], Vec<Writer>)> {
    let host = Line::register(sides[0].clients, "reader")?;
    let room = host.0.create(&kills.version, json!({ "preset": "public_chat" }))?;
    let guest = Line::register(sides[1].clients, "reader")?;
    guest.0.join(&room, Some(&sides[0].name))?;
    let pause = if kills.pair.contains(&Kind::Synapse) { WRITING_SLOWLY } else { WRITING };
    let mut writers = Vec::new();
    for (number, side) in sides.iter().enumerate() {
        let friend = if number == 0 { &guest.1 } else { &host.1 };
        for writer in 0..WRITERS {
            let (line, user) = Line::register(side.clients, &format!("writer{writer}"))?;
            line.join(&room, Some(&sides[0].name))?;
            writers.push(Writer { line, name: user, pause, pen_friend: Some(friend.clone()), moves: false });
        }
    }
    Ok((room, [Reader::new(host.0, host.1), Reader::new(guest.0, guest.1)], writers))
}
