//! Two people, or four, write as fast as they can: each message can be read when it arrives, and arrives once.
//!
//! Every round has a new room, so every round has new keys that must arrive before their messages.

use std::thread;

use anyhow::{Context as _, Result, anyhow, ensure};

use super::stage::{Player, Stage, say};
use super::{PATIENCE, everybody_speaks, once_each};

/// Who writes with the first person, who is on matrix-sdk and receives by `/v3/sync`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partner {
    /// matrix-sdk by `/v3/sync`.
    Sync,
    /// matrix-sdk by sliding sync.
    Sliding,
    /// matrix-js-sdk.
    Js,
    /// All three at once, in one room.
    All,
}

/// How a play went.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Rounds in which everything went well.
    pub good: u32,
    /// What went wrong in the others.
    pub bad: Vec<String>,
    /// Everything that was written.
    pub texts: Vec<String>,
}

/// Everybody there is.
struct Company {
    anna: Player,
    dora: Player,
    emil: Player,
    fred: Player,
}

impl Company {
    fn with(&mut self, partner: Partner) -> Vec<&mut Player> {
        let Self { anna, dora, emil, fred } = self;
        match partner {
            Partner::Sync => vec![anna, dora],
            Partner::Sliding => vec![anna, emil],
            Partner::Js => vec![anna, fred],
            Partner::All => vec![anna, dora, emil, fred],
        }
    }
}

/// Plays `rounds` rounds of `messages` by each, the partners taking turns. A bad round does not end the play.
pub fn play(stage: &Stage, partners: &[Partner], rounds: u32, messages: u32) -> Result<Outcome> {
    let mut company = Company {
        anna: stage.newcomer("anna", false)?,
        dora: stage.newcomer("dora", false)?,
        emil: stage.newcomer("emil", true)?,
        fred: stage.newcomer_in_js("fred")?,
    };
    let mut outcome = Outcome::default();
    get_acquainted(&mut company.with(Partner::All), &mut outcome.texts).context("getting acquainted")?;
    for (number, partner) in (1..=rounds).zip(partners.iter().copied().cycle()) {
        match round(&mut company.with(partner), number, messages, &mut outcome.texts) {
            Ok(()) => {
                say(&format!("round {number} of {rounds} ({partner:?}): good"));
                outcome.good += 1;
            }
            Err(error) => {
                let words = format!("round {number} of {rounds} ({partner:?}): {error:#}");
                say(&words);
                outcome.bad.push(words);
            }
        }
    }
    Ok(outcome)
}

/// Everybody says a word to everybody, one after the other, so that each two devices have one Olm session.
///
/// Without it two devices that write to each other for the first time at the same moment make two. matrix-sdk 0.18 then
/// shares the room key once more, at the index it has reached; and who receives both copies of the key in one sync keeps
/// the later one, and cannot read the first messages. No server can help that: it happens on every one.
fn get_acquainted(players: &mut [&mut Player], texts: &mut Vec<String>) -> Result<()> {
    let room = meet(players)?;
    everybody_speaks(players, &room, "hello", texts)
}

/// A new encrypted room of the first, which all the others join.
fn meet(players: &mut [&mut Player]) -> Result<String> {
    let (host, guests) = players.split_first_mut().context("nobody plays")?;
    let invited: Vec<&str> = guests.iter().map(|guest| guest.user.as_str()).collect();
    let room = host.client.create_room(true, "A room for speed", &invited)?;
    for guest in guests {
        guest.client.join(&room)?;
    }
    let everybody = u64::try_from(players.len()).context("counting the players")?;
    for player in players {
        player.client.wait_members(&room, everybody)?;
    }
    Ok(room)
}

fn round(players: &mut [&mut Player], number: u32, messages: u32, texts: &mut Vec<String>) -> Result<()> {
    let room = meet(players)?;
    let words = |player: &Player| -> Vec<String> {
        let name = player.client.name();
        (0..messages).map(|message| format!("speedy words of {name} in round {number}, number {message}")).collect()
    };
    let written: Vec<Vec<String>> = players.iter().map(|player| words(player)).collect();
    texts.extend(written.iter().flatten().cloned());
    thread::scope(|scope| {
        let sending: Vec<_> = (players.iter_mut().zip(&written))
            .map(|(player, texts)| scope.spawn(|| player.client.send_many(&room, texts)))
            .collect();
        sending.into_iter().try_for_each(|one| one.join().map_err(|_| anyhow!("a sender's thread died"))?)
    })?;
    let mut complaints = Vec::new();
    for (reader, player) in players.iter_mut().enumerate() {
        let by_others = written.iter().enumerate().filter(|(writer, _)| *writer != reader);
        let expected: Vec<String> = by_others.flat_map(|(_, texts)| texts).cloned().collect();
        let arrived = player.client.expect(&room, &expected, PATIENCE)?;
        complaints.extend(once_each(&format!("{} in {room}", player.client.name()), &arrived).err());
    }
    ensure!(complaints.is_empty(), "{}", complaints.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "));
    Ok(())
}
