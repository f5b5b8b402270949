//! Three servers, each on a host of its own, in one room; the links between them are slow, lossy and cut under traffic.
//!
//! People of each server write, name the room, come and go the whole time. When the links are good again, everybody has
//! each message once, and all three servers have the same state.

#![expect(clippy::disallowed_methods, reason = "a play goes on in real time")]

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use serde_json::json;

use super::person::Line;
use super::report::Report;
use super::side::{Kind, Programs, Side};
use super::traffic::{Promises, Reader, View, Wanderer, Writer, arrived, same_state, whole_past};
use crate::link::{Network, Quality};
use crate::server::certificate;

/// How long it may take until everything has come after the links are good again.
const PATIENCE: Duration = Duration::from_mins(3);
const PAUSE: Duration = Duration::from_millis(100);
const MS: Duration = Duration::from_millis(1);
/// Who writes on each server, and how long each waits between two messages.
const WRITERS: usize = 2;
const WRITING: Duration = Duration::from_millis(100);
/// What the hosts are called.
pub(in crate::plays) const HOSTS: [&str; 3] = ["one", "two", "three"];

/// What is played.
#[derive(Debug)]
pub struct Hosts {
    /// The three servers.
    pub kinds: [Kind; 3],
    /// Decides which packets are lost.
    pub seed: u64,
    /// The version of the room.
    pub version: String,
    /// How long each of the bad times is.
    pub time: Duration,
}

/// Bad times: what the links between the first and the second, the first and the third, the second and the third are like.
struct Times {
    title: &'static str,
    links: [Like; 3],
}

/// What a link is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::plays) enum Like {
    /// Nothing is wrong with it.
    Good,
    /// As to another continent.
    Far,
    /// As on a bad day of mobile telephony.
    Lossy,
    /// 64 kB in a second.
    Narrow,
    /// Nothing passes.
    Cut,
}

const TIMES: [Times; 6] = [
    Times { title: "all links are good", links: [Like::Good, Like::Good, Like::Good] },
    Times {
        title: "one and two are cut off from each other, the rest is far",
        links: [Like::Cut, Like::Far, Like::Far],
    },
    Times { title: "one and two again, lossy; one and three are cut off", links: [Like::Lossy, Like::Cut, Like::Good] },
    Times { title: "two and three are cut off, one and three narrow", links: [Like::Far, Like::Narrow, Like::Cut] },
    Times { title: "three is alone, one and two are far from each other", links: [Like::Far, Like::Cut, Like::Cut] },
    Times { title: "all links are lossy", links: [Like::Lossy, Like::Lossy, Like::Lossy] },
];
/// Which hosts the three links join.
pub(in crate::plays) const PAIRS: [(&str, &str); 3] = [("one", "two"), ("one", "three"), ("two", "three")];

impl Like {
    fn quality(self) -> Quality {
        match self {
            Self::Good | Self::Cut => Quality::perfect(),
            Self::Far => Quality::perfect().delay(120 * MS).jitter(30 * MS),
            Self::Lossy => Quality::perfect().delay(30 * MS).jitter(60 * MS).loss(0.05),
            Self::Narrow => Quality::perfect().delay(40 * MS).rate(64_000),
        }
    }
}

/// What people do while the links are bad.
struct People {
    room: String,
    readers: Vec<Reader>,
    writers: Vec<(usize, Writer)>,
    wanderers: Vec<(usize, Wanderer)>,
}

/// Plays it, with what the servers write in `folder`.
pub fn play(hosts: &Hosts, programs: &Programs, folder: &Path) -> Result<Report> {
    let network = Network::of(hosts.seed, HOSTS)?;
    let addresses = network.hosts().iter().map(|host| Ok(host.address()?.to_string())).collect::<Result<Vec<_>>>()?;
    let files = certificate(folder, &addresses.iter().map(String::as_str).collect::<Vec<_>>());
    let mut sides = Vec::new();
    for (host, kind) in network.hosts().iter().zip(hosts.kinds) {
        sides.push(Side::start_on(kind, host, programs, &files, folder)?);
    }
    let mut report = Report::new(sides.iter().map(|side| (side.title(), side.log())).collect());
    report.scene(&format!("three servers in a room of version {}", hosts.version));
    let Some(people) = report.step("people of all three gather", || gather(&sides, &hosts.version)) else {
        return Ok(report);
    };
    let (promises, stop, stop_reading) = (Promises::default(), AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        let (people, promises) = (&people, &promises);
        let (stop, stop_reading, room, sides) = (&stop, &stop_reading, people.room.as_str(), &sides);
        let mut acting = Vec::new();
        for (side, writer) in &people.writers {
            acting.push(scope.spawn(move || sides[*side].inside(|| writer.write(room, promises, stop))?));
        }
        for (side, wanderer) in &people.wanderers {
            acting.push(scope.spawn(move || sides[*side].inside(|| wanderer.wander(room, stop))?));
        }
        let reading = people.readers.iter().zip(sides);
        let reading: Vec<_> = reading
            .map(|(reader, side)| scope.spawn(move || side.inside(|| reader.read(room, stop_reading))?))
            .collect();
        for times in &TIMES {
            report.step(&format!("{} for {} s", times.title, hosts.time.as_secs_f32()), || {
                arrange(&network, times.links)?;
                sleep(hosts.time);
                ensure!(!acting.iter().any(thread::ScopedJoinHandle::is_finished), "somebody gave up");
                people.readers.iter().try_for_each(Reader::nothing_twice)
            });
        }
        report.step("all links are good again, and people go on for a while", || {
            arrange(&network, [Like::Good; 3])?;
            sleep(hosts.time);
            stop.store(true, Ordering::Relaxed);
            join(acting)
        });
        let told = format!("{} messages and letters have come to everybody, each once", promises.so_far().len());
        report.step(&told, || arrived(&people.readers, sides, room, promises, &promises.so_far()));
        report.step("all three have the same state", || agree(people, sides));
        stop_reading.store(true, Ordering::Relaxed);
        report.step("everybody could read the whole time", || join(reading));
        for (reader, side) in people.readers.iter().zip(sides) {
            let (brought, fetched) = reader.count();
            let words = format!(
                "{} has the whole past, each message once ({brought} events by /sync, {fetched} fetched besides)",
                side.title()
            );
            report.step(&words, || whole_past(reader, side, room, promises));
        }
    });
    Ok(report)
}

/// Gives the three links these properties.
pub(in crate::plays) fn arrange(network: &Network, links: [Like; 3]) -> Result<()> {
    for ((one, other), like) in PAIRS.iter().zip(links) {
        let link = network.link(one, other)?;
        link.set(like.quality());
        if matches!(like, Like::Cut) { link.cut() } else { link.heal() }
    }
    Ok(())
}

fn join(threads: Vec<thread::ScopedJoinHandle<'_, Result<()>>>) -> Result<()> {
    threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a thread of the play panicked"))?)
}

/// Waits until all servers have the same state.
fn agree(people: &People, sides: &[Side<'_>]) -> Result<()> {
    let began = Instant::now();
    loop {
        let views = people.readers.iter().zip(sides);
        let views =
            views.map(|(reader, side)| side.inside(|| reader.view(&people.room))?).collect::<Result<Vec<View>>>()?;
        match same_state(&views) {
            Err(_) if began.elapsed() < PATIENCE => sleep(PAUSE),
            other => return other,
        }
    }
}

/// A room in which everybody may name it, with people of each server.
fn gather(sides: &[Side<'_>], version: &str) -> Result<People> {
    let first = sides.first().context("there is no server")?;
    let arrive = |side: &Side<'_>, name: &str| side.inside(|| Line::register(side.clients, name))?;
    let (host, host_user) = arrive(first, "reader")?;
    let room = first.inside(|| {
        let levels = json!({ "users_default": 50 });
        host.create(version, json!({ "preset": "public_chat", "power_level_content_override": levels }))
    })??;
    let mut readers = vec![Reader::new(host, host_user)];
    for side in &sides[1..] {
        let (line, user) = arrive(side, "reader")?;
        side.inside(|| line.join(&room, Some(&first.name)))?.with_context(|| side.title())?;
        readers.push(Reader::new(line, user));
    }
    let (mut writers, mut wanderers) = (Vec::new(), Vec::new());
    for (number, side) in sides.iter().enumerate() {
        let friend = readers[(number + 1) % readers.len()].user().to_owned();
        for writer in 0..WRITERS {
            let (line, name) = arrive(side, &format!("writer{writer}"))?;
            side.inside(|| line.join(&room, Some(&first.name)))??;
            writers
                .push((number, Writer { line, name, pause: WRITING, pen_friend: Some(friend.clone()), moves: false }));
        }
        let (line, name) = arrive(side, "wanderer")?;
        wanderers.push((number, Wanderer { line, name }));
    }
    Ok(People { room, readers, writers, wanderers })
}
