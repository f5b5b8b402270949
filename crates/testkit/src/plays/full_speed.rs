//! Two people write as fast as they can: each message can be read when it arrives, and arrives once.
//!
//! Every round has a new room, so every round has new keys that must arrive before their messages.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};

use super::once_each;
use super::stage::{Player, Stage, say};

const PATIENCE: Duration = Duration::from_mins(1);

/// How the second person receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partner {
    /// matrix-sdk by `/v3/sync`.
    Sync,
    /// matrix-sdk by sliding sync.
    Sliding,
    /// matrix-js-sdk.
    Js,
}

impl Partner {
    fn name(self) -> &'static str {
        match self {
            Self::Sync => "dora",
            Self::Sliding => "emil",
            Self::Js => "fred",
        }
    }
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

/// Plays `rounds` rounds of `messages` each way, the partners taking turns. A bad round does not end the play.
pub fn play(stage: &Stage, partners: &[Partner], rounds: u32, messages: u32) -> Result<Outcome> {
    let mut anna = stage.newcomer("anna", false)?;
    let mut others = Vec::new();
    for partner in partners {
        let player = match partner {
            Partner::Js => stage.newcomer_in_js(partner.name()),
            _ => stage.newcomer(partner.name(), *partner == Partner::Sliding),
        };
        others.push((*partner, player.with_context(|| format!("bringing {} on the stage", partner.name()))?));
    }
    let mut outcome = Outcome::default();
    for (number, place) in (1..=rounds).zip((0..others.len()).cycle()) {
        let (partner, other) = &mut others[place];
        match round(&mut anna, other, number, messages, &mut outcome.texts) {
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

fn round(one: &mut Player, other: &mut Player, number: u32, messages: u32, texts: &mut Vec<String>) -> Result<()> {
    let room = one.client.create_room(true, "A room for speed", &[&other.user])?;
    other.client.join(&room)?;
    for player in [&mut *one, &mut *other] {
        player.client.wait_members(&room, 2)?;
    }
    let of = |name: &str| -> Vec<String> {
        (0..messages).map(|message| format!("speedy words of {name} in round {number}, number {message}")).collect()
    };
    let (of_one, of_other) = (of(one.client.name()), of(other.client.name()));
    texts.extend(of_one.iter().chain(&of_other).cloned());
    thread::scope(|scope| {
        let first = scope.spawn(|| one.client.send_many(&room, &of_one));
        let second = scope.spawn(|| other.client.send_many(&room, &of_other));
        [first, second]
            .into_iter()
            .try_for_each(|sending| sending.join().map_err(|_| anyhow!("a sender's thread died"))?)
    })?;
    let here = one.client.expect(&room, &of_other, PATIENCE)?;
    let there = other.client.expect(&room, &of_one, PATIENCE)?;
    once_each(&format!("{} in {room}", other.client.name()), &there)?;
    once_each(&format!("{} in {room}", one.client.name()), &here)
}
