//! Plays: scenes with real clients on a real server, which end with a look at what everybody received.
//!
//! `conversation` is two people, a third device and a server that is killed; `full_speed` two people who write as fast
//! as they can; `cells` is a deployment in several regions; `federation` is people on two servers, of which one need not be ours; `plaintext` looks for what they wrote where only ciphertext may be.

pub mod cells;
pub mod conversation;
pub mod federation;
pub mod full_speed;
pub mod plaintext;
mod process;
mod server;
mod stage;
mod wire;

pub use server::{Homeserver, Killable};
pub use stage::{Cast, Stage};
pub use wire::Wire;

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::driver::Arrived;
use stage::Player;

/// How long a message may be on its way.
const PATIENCE: Duration = Duration::from_mins(1);

/// Complains unless each expected message came once and everything in the room could be read on arrival.
fn once_each(who: &str, arrived: &Arrived) -> Result<()> {
    let missing: Vec<&str> =
        arrived.counts.iter().filter(|(_, times)| **times == 0).map(|(body, _)| body.as_str()).collect();
    let repeated: Vec<&str> =
        arrived.counts.iter().filter(|(_, times)| **times > 1).map(|(body, _)| body.as_str()).collect();
    ensure!(
        arrived.complete && missing.is_empty() && repeated.is_empty() && arrived.unreadable.is_empty(),
        "{who}: of {} messages {} did not come or could not be read (first {:?}), {} came twice (first {:?}), \
         {} could not be decrypted on arrival (first {:?})",
        arrived.counts.len(),
        missing.len(),
        missing.first(),
        repeated.len(),
        repeated.first(),
        arrived.unreadable.len(),
        arrived.unreadable.first(),
    );
    Ok(())
}

/// Each says something, and everybody else reads it, once.
fn everybody_speaks(players: &mut [&mut Player], room: &str, when: &str, texts: &mut Vec<String>) -> Result<()> {
    for speaker in 0..players.len() {
        let player = &mut *players[speaker];
        let text = format!("{when}: plain words of {} number {}", player.client.name(), texts.len());
        player.client.send(room, &text)?;
        for (listener, player) in players.iter_mut().enumerate().filter(|(number, _)| *number != speaker) {
            let arrived = player.client.expect(room, std::slice::from_ref(&text), PATIENCE)?;
            let who = format!("{} (listener {listener}) reading `{text}`", player.client.name());
            once_each(&who, &arrived)?;
        }
        texts.push(text);
    }
    Ok(())
}
