//! A server that is away for a while, and misses nothing.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::person::Person;
use super::report::Report;
use super::side::Side;
use crate::plays::once_each;

/// Messages that are written meanwhile.
const MISSED: usize = 5;
/// Servers ask again after a while; this is long enough for the pauses that the play's servers make.
const PATIENCE: Duration = Duration::from_mins(2);

/// Kills each server in turn while somebody on the other writes.
pub(super) fn play(report: &mut Report, sides: [&mut Side<'_>; 2], people: [&mut Person; 2]) {
    let ([left, right], [anna, boris]) = (sides, people);
    for turned in [false, true] {
        let (side, home, away) =
            if turned { (&mut *left, &mut *boris, &mut *anna) } else { (&mut *right, &mut *anna, &mut *boris) };
        report.scene(&format!("{} is killed while {home} writes", side.title()));
        let Some(room) = report.step(&format!("{home} and {away} share an encrypted room"), || share(home, away))
        else {
            continue;
        };
        let texts: Vec<String> = (0..MISSED).map(|number| format!("missed by {} number {number}", away.user)).collect();
        let written = report.step(&format!("{home} writes {MISSED} messages meanwhile"), || {
            side.kill()?;
            home.client.send_many(&room, &texts)
        });
        if report.step(&format!("{} starts again", side.title()), || side.run()).is_none() || written.is_none() {
            continue;
        }
        report.step(&format!("{away} reads all of them, once"), || {
            once_each(&away.to_string(), &away.client.expect(&room, &texts, PATIENCE)?)
        });
    }
}

/// A room of version 12 with both in it, who have exchanged keys.
pub(super) fn share(home: &mut Person, away: &mut Person) -> Result<String> {
    let encryption =
        json!({ "type": "m.room.encryption", "state_key": "", "content": { "algorithm": "m.megolm.v1.aes-sha2" } });
    let fields = json!({ "preset": "private_chat", "invite": [away.user], "initial_state": [encryption] });
    let room = home.line.create("12", fields)?;
    away.line.wait("the invitation", |sync| sync["rooms"]["invite"][&room].is_object())?;
    away.client.join(&room)?;
    home.client.wait_members(&room, 2)?;
    away.client.wait_members(&room, 2)?;
    // The keys are told before the other server goes.
    let text = vec![format!("before {} goes", away.server)];
    home.client.send(&room, &text[0])?;
    once_each(&away.to_string(), &away.client.expect(&room, &text, PATIENCE)?)?;
    Ok(room)
}
