//! They talk, also while the border between them is closed.

#![expect(clippy::disallowed_methods, reason = "a play goes on in real time")]

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::people::Person;
use super::{Demo, Screen};
use crate::plays::plaintext;

/// How long is looked whether anything crosses a closed border.
const CLOSED: Duration = Duration::from_secs(2);
/// Messages that each writes while it is closed.
const WHILE_CLOSED: usize = 3;
/// What stands in every file with an encrypted message: a search that does not find it is none.
const CIPHER: &str = "m.megolm.v1.aes-sha2";

impl Demo {
    /// Each says something, and the two others read it.
    pub(super) fn everybody_speaks(&mut self, when: &str) -> Result<String> {
        let mut said = Vec::new();
        for speaker in 0..3 {
            let text = format!("{when}: plain words number {}", self.texts.len());
            let mut people = [&mut self.anna, &mut self.boris, &mut self.vera];
            people[speaker].player.client.send(&self.room, &text)?;
            for (_, listener) in people.iter_mut().enumerate().filter(|(number, _)| *number != speaker) {
                listener.reads(&self.room, std::slice::from_ref(&text))?;
            }
            self.texts.push(text.clone());
            said.push(text);
        }
        Ok(format!("{} messages, each decrypted once by the two others", said.len()))
    }

    /// The room is made, and they come and talk.
    pub(super) fn they_talk(&mut self, screen: &mut Screen<'_>) -> Result<()> {
        screen.act("They talk")?;
        screen
            .tell("Anna makes an encrypted room and invites the others. Their keys are on their own devices alone.")?;
        let invited = [self.boris.player.user.clone(), self.vera.player.user.clone()];
        let invited: Vec<&str> = invited.iter().map(String::as_str).collect();
        self.room = self.anna.player.client.create_room(true, "A house with two doors", &invited)?;
        for guest in [&mut self.boris, &mut self.vera] {
            guest.player.client.join(&self.room)?;
        }
        for person in [&mut self.anna, &mut self.boris, &mut self.vera] {
            person.player.client.wait_members(&self.room, 3)?;
        }
        let spoken = self.everybody_speaks("hello");
        screen.claim("Everybody reads everybody, across the border and within a cell", spoken)?;
        screen.claim("The words stand in no file of either cell, not in base64 either", self.no_word_on_disk())
    }

    /// Nothing that anybody said is in a file of a cell, where ciphertext is.
    fn no_word_on_disk(&self) -> Result<String> {
        let (mut files, mut bytes) = (0, 0);
        for (name, cell) in self.deployment.cells() {
            let findings = plaintext::search(cell.folder(), &self.texts)?;
            if let Some((path, text)) = findings.found.first() {
                anyhow::bail!("`{text}` stands in {}", path.display());
            }
            let control = plaintext::search(cell.folder(), &[CIPHER.to_owned()])?;
            ensure!(!control.found.is_empty(), "the search of {name} does not even find `{CIPHER}`");
            (files, bytes) = (files + findings.files, bytes + findings.bytes);
        }
        Ok(format!("{files} files, {} MB searched", bytes / 1_000_000))
    }

    /// The border is closed and opened again.
    pub(super) fn the_border_closes(&mut self, screen: &mut Screen<'_>) -> Result<()> {
        screen.act("The border is closed")?;
        screen
            .tell("Every connection between the cells breaks, and no new one comes about. Both sides go on writing.")?;
        self.deployment.cut();
        let words = |name: &str| -> Vec<String> {
            (0..WHILE_CLOSED).map(|number| format!("closed border: plain words of {name} number {number}")).collect()
        };
        let (of_anna, of_boris) = (words("anna"), words("boris"));
        let sent = self.anna.player.client.send_many(&self.room, &of_anna);
        let sent = sent.and_then(|()| self.boris.player.client.send_many(&self.room, &of_boris));
        let both = sent.map(|()| format!("{WHILE_CLOSED} of Anna, {WHILE_CLOSED} of Boris"));
        screen.claim("Each cell takes what its own people say", both)?;
        let inside = self.vera.reads(&self.room, &of_boris).map(|()| "");
        screen.claim("Vera, who is in the same cell as Boris, reads him at once", inside)?;
        let crossed = self.anna.reads_none(&self.room, &of_boris, CLOSED);
        let crossed = crossed.and_then(|()| self.boris.reads_none(&self.room, &of_anna, CLOSED)).map(|()| "");
        screen.claim("Nothing crosses", crossed)?;
        let began = Instant::now();
        self.deployment.heal();
        screen.tell("The border opens.")?;
        let (room, took) = (self.room.clone(), |began: Instant| format!("{:.1} s", began.elapsed().as_secs_f64()));
        let read = self.anna.reads(&room, &of_boris).and_then(|()| self.boris.reads(&room, &of_anna));
        let read = read.and_then(|()| self.vera.reads(&room, &of_anna)).map(|()| took(began));
        screen.claim("Both sides read all of it, each message once", read)?;
        self.texts.extend(of_anna.into_iter().chain(of_boris));
        screen.claim("Both cells have the same room", self.same_state())
    }

    /// Both cells have the same state of the room.
    fn same_state(&self) -> Result<String> {
        let ids = |person: &Person, cell: &str| -> Result<Vec<String>> {
            let path = format!("rooms/{}/state", self.room);
            let state = person.asks(self.deployment.cell(cell)?, "GET", &path, None)?;
            let events = state.as_array().context("a state is a list")?;
            let id = |event: &Value| Some(event["event_id"].as_str()?.to_owned());
            let mut ids: Vec<String> = events.iter().filter_map(id).collect();
            ids.sort_unstable();
            Ok(ids)
        };
        let (here, there) = (ids(&self.anna, "eu1")?, ids(&self.vera, "ru1")?);
        ensure!(!here.is_empty() && here == there, "eu1 has {here:?}, ru1 has {there:?}");
        Ok(format!("{} events of state", here.len()))
    }
}
