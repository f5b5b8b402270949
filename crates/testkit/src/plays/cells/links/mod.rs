//! Three cells, each on a host of its own, in one encrypted room of matrix-sdk's clients, while the links between the hosts are slow, lossy and cut.
//!
//! Which link is like what, and when, follows from a seed, but once the cell that decides whose a name is stands alone, and once every cell does.
//! Meanwhile people of each cell write, others come, say something and go, and some log in on a further device. When the links are good again, every
//! message is at every client once and decrypted, the three cells have the same room and the whole past of it, and their audits are clean.

#![expect(clippy::disallowed_methods, reason = "a play goes on in real time")]

mod end;
mod people;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use serde_json::json;

use super::audits::clean;
use super::people::{Resident, Said, accept, everybody_reads, everything_came};
use super::{Deployment, Plan};
use crate::chance::Chance;
use crate::driver::Program;
use crate::link::Network;
use crate::plays::federation::hosts::{HOSTS, Like, PAIRS, arrange};
use people::{Device, Wanderer};

/// The cells, which are on the hosts of the same number, and their regions.
const CELLS: [(&str, &str); 3] = [("eu1", "eu"), ("ru1", "ru"), ("tr1", "tr")];
/// What crosses between them.
const RULE: &str = "encrypted_only";
/// Who stays in the room, in each cell.
const RESIDENTS: usize = 2;
/// Into so many times of the same links the play is divided.
const TIMES: u32 = 10;
/// In this one, the deciding cell is alone; in that one, every cell.
const DECIDER_ALONE: u32 = 4;
const ALL_ALONE: u32 = 7;
/// When somebody logs in on a further device, by cell.
const DEVICES: [u32; 3] = [1, 4, 7];
/// Their own cell is always there, so what it does not take at once is an error.
const PATIENCE: Duration = Duration::ZERO;
/// How often is looked whether somebody gave up.
const LOOK: Duration = Duration::from_millis(200);

/// What is played.
#[derive(Debug, Clone, Copy)]
pub struct Links {
    /// Decides what the links are like, and which packets are lost.
    pub seed: u64,
    /// How long the links are bad.
    pub time: Duration,
}

/// How it went.
#[derive(Debug, Clone, Copy, Default)]
pub struct Outcome {
    /// Messages that cells took.
    pub messages: usize,
    /// How often somebody joined.
    pub joins: usize,
    /// Clients that read everything.
    pub readers: usize,
    /// Further devices.
    pub devices: usize,
    /// How long it took from the last bad moment until everybody had everything.
    pub settled: Duration,
    /// Packets that were lost by chance or by a cut.
    pub lost: u64,
}

/// Plays it with what everybody writes in `folder`; an error at the first broken promise. What happens is told by `tell`.
pub fn play(
    links: &Links,
    program: &Path,
    driver: &Program,
    folder: &Path,
    tell: &mut dyn FnMut(&str),
) -> Result<Outcome> {
    let network = Network::of(links.seed, HOSTS)?;
    let plan = Plan { cells: &CELLS, rule: RULE, hosts: network.hosts(), ..Plan::default() };
    let deployment = Deployment::found(program, folder, &plan)?;
    let (room, mut residents, mut wanderers) = gather(&deployment, driver, folder)?;
    tell(&format!(
        "{} people of {} cells in one encrypted room, and {} who come and go",
        residents.len(),
        CELLS.len(),
        wanderers.len()
    ));
    let said = Said::default();
    let stop = AtomicBool::new(false);
    let mut devices = Vec::new();
    let accounts: Vec<(usize, String)> = residents.iter().map(|one| (one.cell, one.user.clone())).collect();
    let joins = thread::scope(|scope| {
        let (room, said, stop, deployment) = (room.as_str(), &said, &stop, &deployment);
        let talking: Vec<_> =
            residents.iter_mut().map(|one| scope.spawn(move || one.talk(room, said, PATIENCE, stop))).collect();
        let coming: Vec<_> = wanderers
            .iter_mut()
            .map(|one| scope.spawn(move || one.wander(deployment.cell(CELLS[one.cell].0)?, room, said, stop)))
            .collect();
        let troubled = || {
            talking.iter().any(thread::ScopedJoinHandle::is_finished)
                || coming.iter().any(thread::ScopedJoinHandle::is_finished)
        };
        let log_in = |cell: usize| -> Result<Device> {
            let (_, user) = accounts.iter().find(|(of, _)| *of == cell).context("a cell without people")?;
            Device::log_in(cell, user, deployment.cell(CELLS[cell].0)?, driver, folder)
        };
        let outcome = times(links, &network, &troubled, tell, |time| {
            for cell in (0..CELLS.len()).filter(|cell| DEVICES[*cell] == time) {
                devices.push(log_in(cell)?);
            }
            Ok(())
        });
        stop.store(true, Ordering::Relaxed);
        let talked = talking.into_iter().try_for_each(join);
        let came = coming.into_iter().map(join).collect::<Result<Vec<usize>>>();
        // What a thread complains of is the cause of what else went wrong.
        talked?;
        let joins: usize = came?.iter().sum();
        outcome.map(|()| joins)
    })?;
    arrange(&network, [Like::Good; 3])?;
    let (began, lost) = (Instant::now(), lost(&network)?);
    everything_came(&mut residents, &room, &said)?;
    let settled = began.elapsed();
    tell(&format!(
        "{} messages have come to each of {} clients, once, and are decrypted, {:.1} s after the links were good",
        said.count(),
        residents.len(),
        settled.as_secs_f64()
    ));
    end::last_words(&mut residents, &mut devices, &room, &said)?;
    tell(&format!("{} devices that logged in meanwhile read what is said now", devices.len()));
    end::same_room(&deployment, &CELLS, &residents, &room, &said)?;
    tell("the three cells have the same state of the room and its whole past, each message once");
    clean(&deployment, residents.len() + wanderers.len())?;
    tell("everybody has one home, and the three audits are clean");
    Ok(Outcome { messages: said.count(), joins, readers: residents.len(), devices: devices.len(), settled, lost })
}

fn join<T>(thread: thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().map_err(|_| anyhow!("a thread of the play panicked"))?
}

/// The bad times, one after the other. `meanwhile` is told the number of each at its beginning.
fn times(
    links: &Links,
    network: &Network,
    troubled: &dyn Fn() -> bool,
    tell: &mut dyn FnMut(&str),
    mut meanwhile: impl FnMut(u32) -> Result<()>,
) -> Result<()> {
    let mut chance = Chance::of(links.seed, "links");
    for time in 0..TIMES {
        let likes = likes(time, &mut chance);
        let words: Vec<String> =
            PAIRS.iter().zip(likes).map(|((one, other), like)| format!("{one}-{other} {like:?}")).collect();
        tell(&format!("for {:.0} s: {}", (links.time / TIMES).as_secs_f64(), words.join(", ").to_lowercase()));
        let ends = Instant::now() + links.time / TIMES;
        arrange(network, likes)?;
        meanwhile(time)?;
        while Instant::now() < ends {
            ensure!(!troubled(), "somebody gave up");
            sleep(LOOK.min(ends.saturating_duration_since(Instant::now())));
        }
    }
    Ok(())
}

/// What the links are like in one of the times.
fn likes(time: u32, chance: &mut Chance) -> [Like; 3] {
    const ALL: [Like; 5] = [Like::Good, Like::Far, Like::Lossy, Like::Narrow, Like::Cut];
    // Drawn for every time: what the others are like is then a matter of the seed alone.
    let mut draw = || ALL[usize::try_from(chance.between(0, ALL.len() as u64)).unwrap_or_default()];
    let drawn = [draw(), draw(), draw()];
    match time {
        DECIDER_ALONE => [Like::Cut, Like::Cut, Like::Good],
        ALL_ALONE => [Like::Cut; 3],
        // None of them is a good one.
        _ if drawn == [Like::Good; 3] => [Like::Lossy; 3],
        _ => drawn,
    }
}

/// Packets that did not come to the other end, on all links.
fn lost(network: &Network) -> Result<u64> {
    let mut lost = 0;
    for (one, other) in PAIRS {
        lost += network.link(one, other)?.counts().iter().map(|counts| counts.lost + counts.cut).sum::<u64>();
    }
    Ok(lost)
}

/// An encrypted room that whoever likes may enter, in which everybody has read everybody once.
fn gather(deployment: &Deployment, driver: &Program, folder: &Path) -> Result<(String, Vec<Resident>, Vec<Wanderer>)> {
    let (mut residents, mut wanderers) = (Vec::new(), Vec::new());
    for (number, (name, _)) in CELLS.iter().enumerate() {
        let cell = deployment.cell(name)?;
        for resident in 0..RESIDENTS {
            let name = format!("resident{number}{}", ["a", "b", "c"][resident % 3]);
            residents.push(Resident::arrive(&name, number, cell, driver, folder)?);
        }
        wanderers.push(Wanderer::arrive(&format!("wanderer{number}"), number, cell, driver, folder)?);
    }
    let (host, guests) = residents.split_first_mut().context("there is nobody")?;
    let room = host.client.create_room(true, "Three doors", &[])?;
    let (first, line) = (deployment.cell(CELLS[host.cell].0)?, &host.line);
    first.inside(|| line.set_state(&room, "m.room.join_rules", &json!({ "join_rule": "public" })))??;
    // Who is of another cell is asked in: there, nobody knows of the room yet.
    for (user, client) in guests
        .iter_mut()
        .map(|one| (&one.user, &mut one.client))
        .chain(wanderers.iter_mut().map(|one| (&one.user, &mut one.client)))
    {
        host.client.invite(&room, user)?;
        accept(client, &room).with_context(|| format!("{user} joins"))?;
    }
    let clients = residents.iter_mut().map(|one| (one.user.as_str(), &mut one.client));
    let clients = clients.chain(wanderers.iter_mut().map(|one| (one.user.as_str(), &mut one.client)));
    everybody_reads(&mut clients.collect::<Vec<_>>(), &room)?;
    for wanderer in &mut wanderers {
        wanderer.leave(deployment.cell(CELLS[wanderer.cell].0)?, &room)?;
    }
    Ok((room, residents, wanderers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_says_what_the_links_are_like() {
        let of = |seed| {
            let mut chance = Chance::of(seed, "links");
            (0..TIMES).map(|time| likes(time, &mut chance)).collect::<Vec<_>>()
        };
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
        for seed in 0..200 {
            let all = of(seed);
            assert!(all.iter().all(|likes| *likes != [Like::Good; 3]), "a good time is no trouble");
            assert_eq!(all[DECIDER_ALONE as usize], [Like::Cut, Like::Cut, Like::Good]);
            assert_eq!(all[ALL_ALONE as usize], [Like::Cut; 3]);
        }
    }
}
