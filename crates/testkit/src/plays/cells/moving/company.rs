//! Who moves, and who stays.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::{CELLS, Moving};
use crate::driver::Program;
use crate::plays::cells::Deployment;
use crate::plays::cells::people::{Resident, accept, everybody_reads};
use crate::plays::federation::person::Line;
use crate::plays::federation::traffic::{Reader, Writer};

/// Between two messages of one person.
const WRITING: Duration = Duration::from_millis(200);

/// Somebody who moves.
pub(super) struct Account {
    pub(super) user: String,
    /// Where they registered, and where their client has connected ever since.
    pub(super) first: usize,
    /// A session of a device that was there from the beginning, for the look at the end.
    pub(super) line: Line,
}

impl Account {
    /// Somebody with an encrypted client.
    pub(super) fn of(resident: &Resident) -> Self {
        Self { user: resident.user.clone(), first: resident.cell, line: resident.line.another() }
    }
}

/// Somebody who moves and whose client does not encrypt.
pub(super) struct Mover {
    pub(super) writer: Writer,
    pub(super) reader: Reader,
}

/// Everybody but the encrypted clients.
pub(super) struct Company {
    pub(super) room: String,
    pub(super) settlers: Vec<Reader>,
    pub(super) movers: Vec<Mover>,
    /// All who move, those with encrypted clients too.
    pub(super) accounts: Vec<Account>,
}

impl Company {
    pub(super) fn readers(&self) -> impl Iterator<Item = &Reader> {
        self.settlers.iter().chain(self.movers.iter().map(|mover| &mover.reader))
    }
}

/// Two who stay, one in each cell, and those who move, in one room.
pub(super) fn gather(deployment: &Deployment, people: usize) -> Result<Company> {
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
    let mover = |((_, line, user), friend): (&(usize, Line, String), String)| Mover {
        writer: Writer {
            line: line.another(),
            name: user.clone(),
            pause: WRITING,
            pen_friend: Some(friend),
            moves: true,
        },
        reader: Reader::who_moves(line.another(), user.clone()),
    };
    let movers = lines.iter().zip(friends).map(mover).collect();
    let accounts = lines.into_iter().map(|(first, line, user)| Account { user, first, line }).collect();
    let settlers = vec![Reader::new(host.0, host.1), Reader::new(other.0, other.1)];
    Ok(Company { room, settlers, movers, accounts })
}

/// The same with encrypted clients, in a private room of theirs where everybody has read everybody once. Those who move come after those who stay.
pub(super) fn gather_encrypted(
    deployment: &Deployment,
    moving: &Moving,
    driver: &Program,
    folder: &Path,
) -> Result<(String, Vec<Resident>)> {
    let mut residents = Vec::new();
    for number in 0..moving.encrypted + CELLS.len() {
        let (at, moves) = (number % CELLS.len(), number >= CELLS.len());
        let name = if moves { format!("encrypted{number}") } else { format!("witness{number}") };
        let mut resident = Resident::arrive(&name, at, deployment.cell(CELLS[at].0)?, driver, folder)?;
        resident.moves = moves;
        residents.push(resident);
    }
    let (host, guests) = residents.split_first_mut().context("there is nobody")?;
    let room = host.client.create_room(true, "On the move", &[])?;
    for guest in guests {
        host.client.invite(&room, &guest.user)?;
        accept(&mut guest.client, &room).with_context(|| format!("{} joins", guest.user))?;
    }
    let clients = residents.iter_mut().map(|one| (one.user.as_str(), &mut one.client));
    everybody_reads(&mut clients.collect::<Vec<_>>(), &room)?;
    Ok((room, residents))
}
