//! A cell is stolen with its disk and its key, and the thief aims at Synapse: by itself, and by way of the gateway. What succeeds is listed, and it is
//! only what the cell's own people could do; after the revocation nothing does. The list stands in docs/stolen-cell.md.

mod attempts;
mod thief;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::super::person::Person;
use super::super::report::Report;
use super::super::side::Side;
use super::STOLEN;
use crate::plays::cells::Deployment;
use crate::server::CertificateFiles;
use attempts::{ATTEMPTS, Came};
use thief::Thief;

/// Between these lines of the page stands what is written by this play.
const MARKS: [&str; 2] = ["<!-- synapse: begin -->\n", "<!-- synapse: end -->"];
/// The version of the rooms, in which a forger knows how to make events.
const VERSION: &str = "11";

/// Where it stands what comes of it.
pub(super) struct Page<'p> {
    pub(super) document: &'p Path,
    pub(super) write: bool,
}

/// What the thief aims at.
struct Aims {
    /// A room of all three, and one without the stolen cell's people.
    shared: String,
    private: String,
    /// Events of anna and boris, as cells have them.
    of_anna: Value,
    of_boris: Value,
    /// Events of each room.
    shared_event: String,
    private_event: String,
    anna: String,
    boris: String,
    eve: String,
}

/// Steals the cell `heronhouse1`, where boris is at home, and tries everything before and after its revocation.
pub(super) fn play(
    report: &mut Report,
    deployment: &mut Deployment,
    (synapse, files): (&Side<'_>, &CertificateFiles),
    [anna, boris, eve]: [&mut Person; 3],
    page: &Page<'_>,
) -> Result<()> {
    report.scene("a cell is stolen");
    let key = deployment.cell(STOLEN)?.secret_key()?;
    let thief = Thief::new(deployment, key, synapse, files)?;
    let ready = report.step("a room of all three, and one without the people of the stolen cell", || {
        aims(&thief, [&mut *anna, &mut *boris, &mut *eve])
    });
    let Some(aims) = ready else { return Ok(()) };
    deployment.cell_mut(STOLEN)?.stop()?;
    let before = round(report, "before", &thief, &aims, eve);
    deployment.revoke(STOLEN)?;
    let after_thief = Thief::new(deployment, thief.key().clone(), synapse, files)?;
    report.scene("it is revoked");
    let after = round(report, "after", &after_thief, &aims, eve);
    report.step("Synapse has nothing in the name of others' people", || {
        let forged = attempts::forged_by(eve, &aims.shared, &aims.anna)?;
        ensure!(forged == 0, "{forged} forged events of {} are in the room", aims.anna);
        Ok(())
    });
    report.step("anna and eve go on in the room", || {
        let event = anna.line.say(&aims.shared, "we are still here")?;
        eve.line.wait("the message", |sync| {
            let events = sync["rooms"]["join"][&aims.shared]["timeline"]["events"].as_array();
            events.into_iter().flatten().any(|came| came["event_id"] == event)
        })
    });
    if let (Some(before), Some(after)) = (before, after) {
        let table = table(&before, &after);
        report.step("docs/stolen-cell.md says what succeeded", || page.holds(&table));
    }
    Ok(())
}

/// Tries everything once. What came of each is as it should be, or its step fails.
fn round(report: &mut Report, when: &'static str, thief: &Thief, aims: &Aims, eve: &mut Person) -> Option<Vec<Came>> {
    let mut all = Vec::with_capacity(ATTEMPTS.len());
    for attempt in &ATTEMPTS {
        let may_succeed = attempt.is_own && when == "before";
        let came = report.step(&format!("a thief tries to {}", attempt.what), || {
            let came = attempts::run(attempt.aim, when, thief, aims, eve)?;
            ensure!((came == Came::Taken) == may_succeed, "what came of it: {}", came.words());
            Ok(came)
        });
        all.extend(came);
    }
    // Without all of them there is no table.
    (all.len() == ATTEMPTS.len()).then_some(all)
}

fn table(before: &[Came], after: &[Came]) -> String {
    let mut text = "| Somebody with the cell's key and disk tries to … | before it is revoked | afterwards |\n| --- | --- | --- |\n".to_owned();
    for ((attempt, before), after) in ATTEMPTS.iter().zip(before).zip(after) {
        let _ = writeln!(text, "| {} | {} | {} |", attempt.what, before.words(), after.words());
    }
    text
}

impl Page<'_> {
    /// Writes the table into the page, or complains if another one stands there.
    fn holds(&self, table: &str) -> Result<()> {
        let file = self.document.display();
        let text = fs::read_to_string(self.document).with_context(|| format!("reading {file}"))?;
        let [begin, end] = MARKS;
        let parts = text.split_once(begin).and_then(|(head, rest)| Some((head, rest.split_once(end)?)));
        let (head, (now, tail)) = parts.with_context(|| format!("{file} has no place for what a play finds"))?;
        if self.write {
            let whole = format!("{head}{begin}\n{table}\n{end}{tail}");
            return fs::write(self.document, whole).with_context(|| format!("writing {file}"));
        }
        ensure!(now.trim() == table.trim(), "{file} says something else; `--write` writes it anew:\n{table}");
        Ok(())
    }
}

/// Rooms that eve made, in which everybody said something.
fn aims(thief: &Thief, [anna, boris, eve]: [&mut Person; 3]) -> Result<Aims> {
    let room = |eve: &mut Person, guests: &mut [&mut Person]| -> Result<String> {
        let invited: Vec<&str> = guests.iter().map(|guest| guest.user.as_str()).collect();
        let room = eve.line.create(VERSION, json!({ "preset": "private_chat", "invite": invited }))?;
        for guest in guests {
            guest.line.wait("the invitation", |sync| sync["rooms"]["invite"][&room].is_object())?;
            guest.line.join(&room, None)?;
        }
        Ok(room)
    };
    for guest in [&mut *anna, &mut *boris] {
        guest.line.forget()?;
    }
    let shared = room(eve, &mut [&mut *anna, &mut *boris])?;
    let private = room(eve, &mut [&mut *anna])?;
    boris.line.wait_membership(&shared, &anna.user, "join")?;
    let (by_anna, by_boris) = (anna.line.say(&shared, "as anna")?, boris.line.say(&shared, "as boris")?);
    let private_event = anna.line.say(&private, "between us")?;
    for (by, event) in [(&*anna, &by_boris), (&*boris, &by_anna), (&*eve, &by_anna), (&*eve, &by_boris)] {
        let path =
            format!("v3/rooms/{}/event/{}", super::super::http::escape(&shared), super::super::http::escape(event));
        super::super::person::until(|| Ok(by.line.get(&path).map_err(|error| format!("{error:#}"))))?;
    }
    Ok(Aims {
        of_anna: thief.event(&by_anna)?,
        of_boris: thief.event(&by_boris)?,
        shared,
        private,
        shared_event: by_boris,
        private_event,
        anna: anna.user.clone(),
        boris: boris.user.clone(),
        eve: eve.user.clone(),
    })
}
