//! Somebody moves house while they talk.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use serde_json::Value;

use super::people::Person;
use super::places::{self, Audit};
use super::{Demo, Screen};

/// Between two messages of each.
const WRITING: Duration = Duration::from_millis(150);
/// For how long they write before and after the move.
const AROUND: Duration = Duration::from_millis(700);
/// The longest that requests of somebody who moves may wait, in milliseconds.
const FROZEN_MS: i64 = 2_000;

/// Says one thing after the other until told to stop; gives what was said.
fn write(person: &mut Person, room: &str, name: &str, stop: &AtomicBool) -> Result<Vec<String>> {
    let mut said = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let text = format!("moving house: plain words of {name} number {}", said.len());
        person.player.client.send(room, &text)?;
        said.push(text);
        thread::sleep(WRITING);
    }
    Ok(said)
}

impl Demo {
    /// The law changes, and Boris moves from ru1 to eu1.
    pub(super) fn the_law_changes(&mut self, screen: &mut Screen<'_>, before: &[Audit]) -> Result<()> {
        screen.act("The law changes, and Boris moves house while they talk")?;
        let user = self.boris.player.user.clone();
        let plan = self.deployment.cell("ru1")?.json(&["move", &user, "--to", "eu", "--dry-run"])?;
        screen.tell("What would move, says the cell that he would leave (a dry run):")?;
        screen.quote(&planned(&plan))?;
        let (of_anna, of_boris, moved) = self.move_while_they_write(&user)?;
        screen.tell(&format!("$ domicile move {user} --to eu --reason \"the law has changed\""))?;
        screen.claim("He is at home in eu now", is_done(&moved))?;
        screen.claim("His new home read all of it again, and it is what was brought", is_whole(&moved))?;
        let room = self.room.clone();
        let written = format!("{} of Anna, {} of Boris", of_anna.len(), of_boris.len());
        let read = self.anna.reads(&room, &of_boris).and_then(|()| self.vera.reads(&room, &of_anna));
        let read = read.and_then(|()| self.vera.reads(&room, &of_boris)).map(|()| written);
        screen.claim("What was said meanwhile came to the others, each message once", read)?;
        let read = self.boris.reads_each_event(&room, &of_anna).map(|()| "");
        screen.claim("Boris's client decrypts all that Anna said, with the same keys as before", read)?;
        self.texts.extend(of_anna.into_iter().chain(of_boris));
        screen.claim("His client is still signed in, at the old address and at the new one", self.same_session())?;
        let after = places::audits(&self.deployment, &["eu1", "ru1"])?;
        screen.claim("All of his rows are in eu1, and ru1 has none of them any more", has_moved(before, &after))?;
        for audit in &after {
            screen.claim("The audit passes", places::passed(audit))?;
        }
        places::show(screen, &after)
    }

    /// Both write without a pause while the operator moves one of them.
    fn move_while_they_write(&mut self, user: &str) -> Result<(Vec<String>, Vec<String>, Value)> {
        let (stop, cell, room) = (AtomicBool::new(false), self.deployment.cell("ru1")?, self.room.as_str());
        let (anna, boris) = (&mut self.anna, &mut self.boris);
        thread::scope(|scope| {
            let one = scope.spawn(|| write(anna, room, "anna", &stop));
            let other = scope.spawn(|| write(boris, room, "boris", &stop));
            thread::sleep(AROUND);
            let order = ["move", user, "--to", "eu", "--reason", "the law has changed", "--as", "the operator"];
            let moved = cell.json(&order);
            thread::sleep(AROUND);
            stop.store(true, Ordering::Relaxed);
            let [one, other] = [one, other].map(|writer| writer.join().map_err(|_| anyhow!("a writer's thread died")));
            Ok((one??, other??, moved?))
        })
    }

    /// Each address knows the session as that of the same person and device.
    fn same_session(&self) -> Result<String> {
        for cell in ["ru1", "eu1"] {
            let who = self.boris.asks(self.deployment.cell(cell)?, "GET", "account/whoami", None)?;
            let is_same = who["user_id"] == *self.boris.player.user && who["device_id"] == *self.boris.player.device;
            ensure!(is_same, "{cell} says {who}");
        }
        Ok(format!("device {}", self.boris.player.device))
    }

    /// Boris's client takes the new address, with the session and the keys that it has.
    pub(super) fn the_new_address(mut self, screen: &mut Screen<'_>) -> Result<Self> {
        screen.tell("Boris tells his client the new address. He does not sign in again.")?;
        self.boris = self.boris.go_to(self.deployment.cell("eu1")?)?;
        let room = self.room.clone();
        let past = self.boris.looks_back(&room, &self.texts);
        let past = past.map(|count| format!("{count} messages, each once"));
        screen.claim("There he decrypts everything that was ever said in the room", past)?;
        let spoken = self.everybody_speaks("after the move");
        screen.claim("They go on talking", spoken)?;
        Ok(self)
    }
}

/// What a dry run says, in a sentence.
fn planned(plan: &Value) -> String {
    let rows = plan["rows"].as_array().into_iter().flatten();
    let rows: Vec<String> = rows
        .filter(|row| row[1].as_i64().is_some_and(|count| count > 0))
        .map(|row| format!("{} {}", row[1], row[0].as_str().unwrap_or_default()))
        .collect();
    format!(
        "rows by class: {}; rooms: {}, with {} other people in them; rules that stand against it: {}",
        rows.join(", "),
        plan["rooms"].as_array().map_or(0, Vec::len),
        plan["others"],
        plan["forbidden"].as_array().map_or(0, Vec::len)
    )
}

fn is_done(moved: &Value) -> Result<String> {
    ensure!(moved["state"] == "done", "the move is {}: {}", moved["state"], moved["error"]);
    let frozen = moved["progress"]["frozen_ms"].as_i64().unwrap_or(i64::MAX);
    ensure!(frozen < FROZEN_MS, "his requests waited for {frozen} ms");
    Ok(format!("requests of his waited for {frozen} ms while he was handed over"))
}

fn is_whole(moved: &Value) -> Result<String> {
    let arrived = &moved["progress"]["arrived"];
    ensure!(arrived["same"] == true, "the new home has something else: {arrived}");
    let sums = arrived["sums"].as_object().into_iter().flatten();
    let rows: u64 = sums.filter_map(|(_, sum)| sum["rows"].as_u64()).sum();
    ensure!(rows > 0, "nothing was brought: {arrived}");
    Ok(format!("{rows} rows, by number and SHA-256 of each class"))
}

/// By the audits: one home less there, one more here, and so are the rows of people.
fn has_moved(before: &[Audit], after: &[Audit]) -> Result<String> {
    let [eu_before, ru_before] = before else { return Err(anyhow!("there are two cells")) };
    let [eu_after, ru_after] = after else { return Err(anyhow!("there are two cells")) };
    let (was, is) = ((eu_before.2, ru_before.2), (eu_after.2, ru_after.2));
    ensure!(is == (was.0 + 1, was.1 - 1), "people at home in eu1 and ru1 were {was:?} and are {is:?}");
    let rows = [ru_before, ru_after].map(places::rows_at_home);
    ensure!(rows[1] < rows[0], "ru1 had {} rows of its own people, and has {}", rows[0], rows[1]);
    Ok(format!("ru1 had {} rows of {} people, and has {} of {}", rows[0], was.1, rows[1], is.1))
}
