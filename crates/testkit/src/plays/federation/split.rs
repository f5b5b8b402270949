//! The servers live, and the way between them is cut: both sides go on, and agree when it is mended.

#![expect(clippy::disallowed_methods, reason = "a play goes on in real time")]

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::outage::share;
use super::person::Person;
use super::report::Report;
use super::side::Side;
use crate::plays::once_each;

/// Messages of each while they are apart.
const APART: usize = 5;
/// Servers ask again after a while; this is long enough for the pauses that the play's servers make.
const PATIENCE: Duration = Duration::from_mins(2);

/// What both have to agree on.
const AGREED: [&str; 4] = ["m.room.topic", "m.room.name", "m.room.power_levels", "m.room.join_rules"];

/// Cuts the way between two servers while people on both write and change the room.
pub(super) fn play(report: &mut Report, sides: [&Side<'_>; 2], people: [&mut Person; 2]) {
    let [anna, boris] = people;
    report.scene("the way between the servers is cut");
    let Some(room) = report.step(&format!("{anna} and {boris} share an encrypted room"), || {
        let room = share(anna, boris)?;
        let mut levels = anna.line.state(&room, "m.room.power_levels", "")?;
        levels["users"][&boris.user] = 50.into();
        anna.line.set_state(&room, "m.room.power_levels", &levels)?;
        boris
            .line
            .wait_state(&room, "m.room.power_levels", "", "gives the power", |now| now["users"] == levels["users"])?;
        Ok(room)
    }) else {
        return;
    };
    let words = |person: &Person| -> Vec<String> {
        (0..APART).map(|number| format!("said apart by {} number {number}", person.user)).collect()
    };
    let (from_anna, from_boris) = (words(anna), words(boris));
    report.step("while it is cut, both write, and both change the room's topic", || {
        for side in sides {
            side.cut();
        }
        anna.client.send_many(&room, &from_anna)?;
        boris.client.send_many(&room, &from_boris)?;
        anna.line.set_state(&room, "m.room.topic", &json!({ "topic": "as anna sees it" }))?;
        boris.line.set_state(&room, "m.room.topic", &json!({ "topic": "as boris sees it" }))?;
        boris.line.set_state(&room, "m.room.name", &json!({ "name": "named by boris" }))
    });
    for side in sides {
        side.mend();
    }
    report.step("when it is mended, each reads what the other wrote, once", || {
        once_each(&boris.to_string(), &boris.client.expect(&room, &from_anna, PATIENCE)?)?;
        once_each(&anna.to_string(), &anna.client.expect(&room, &from_boris, PATIENCE)?)
    });
    report.step("both servers come to the same state", || agree(anna, boris, &room));
    report.step("both go on", || {
        for turned in [false, true] {
            let (from, to) = if turned { (&mut *boris, &mut *anna) } else { (&mut *anna, &mut *boris) };
            let text = vec![format!("together again, says {}", from.user)];
            from.client.send(&room, &text[0])?;
            once_each(&to.to_string(), &to.client.expect(&room, &text, PATIENCE)?)?;
        }
        agree(anna, boris, &room)
    });
}

fn agree(anna: &Person, boris: &Person, room: &str) -> Result<()> {
    let began = Instant::now();
    loop {
        let see = |person: &Person| AGREED.map(|kind| person.line.state(room, kind, "").unwrap_or(Value::Null));
        let (one, other) = (see(anna), see(boris));
        if one == other && !one[0].is_null() && one[1]["name"] == "named by boris" {
            return Ok(());
        }
        ensure!(began.elapsed() < PATIENCE, "{anna} sees {one:?}, and {boris} {other:?}");
        std::thread::sleep(super::PAUSE);
    }
}
