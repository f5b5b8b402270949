//! People of the demonstration: each a client of matrix-sdk with keys of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::driver::{Driver, Message, Program};
use crate::plays::cells::Cell;
use crate::plays::federation::http::ask;
use crate::plays::stage::{PASSWORD, Player, set_token, token};
use crate::plays::{PATIENCE, once_each};

/// Events of one look at a room's past.
const PAST: u32 = 500;

/// Somebody.
pub(super) struct Person {
    pub(super) player: Player,
    name: &'static str,
    folder: PathBuf,
    program: Program,
}

impl Person {
    /// Makes an account in a cell, with keys, and receives from now on.
    pub(super) fn arrive(name: &'static str, cell: &Cell, program: &Program, folder: &Path) -> Result<Self> {
        let mut client = Driver::start(program, name, folder)?;
        let person = |player| Self { player, name, folder: folder.to_owned(), program: program.clone() };
        client.open(&format!("http://{}", cell.clients), &store(folder, name))?;
        let (user, device) = client.register(name, PASSWORD)?;
        client.start_sync(false)?;
        client.bootstrap_cross_signing(PASSWORD)?;
        Ok(person(Player { client, user, device }))
    }

    /// Ends the client and starts it with another address, with the same session and the same keys.
    pub(super) fn go_to(self, cell: &Cell) -> Result<Self> {
        let Self { player, name, folder, program } = self;
        player.client.quit()?;
        let mut client = Driver::start(&program, name, &folder)?;
        client.open(&format!("http://{}", cell.clients), &store(&folder, name))?;
        let (user, device) = client.restore()?;
        client.start_sync(false)?;
        ensure!(
            (&user, &device) == (&player.user, &player.device),
            "{name} came back as {user} on {device}, and was {} on {}",
            player.user,
            player.device
        );
        Ok(Self { player: Player { client, user, device }, name, folder, program })
    }

    /// Signs in anew on the same device, as a client does after a soft logout, and goes on with the same keys.
    pub(super) fn signs_in_again(self, cell: &Cell) -> Result<Self> {
        let login = json!({
            "type": "m.login.password",
            "identifier": { "type": "m.id.user", "user": self.player.user },
            "password": PASSWORD,
            "device_id": self.player.device,
        });
        let answer = ask(cell.clients, None, "POST", "/_matrix/client/v3/login", Some(&login))?;
        set_token(&store(&self.folder, self.name), &answer["access_token"])?;
        self.go_to(cell)
    }

    /// The client's access token.
    pub(super) fn token(&self) -> Result<String> {
        token(&store(&self.folder, self.name))
    }

    /// What a cell answers to this person's session.
    pub(super) fn asks(&self, cell: &Cell, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        ask(cell.clients, Some(&self.token()?), method, &format!("/_matrix/client/v3/{path}"), body)
    }

    /// Reads these when they come, each once, all of them decrypted.
    pub(super) fn reads(&mut self, room: &str, texts: &[String]) -> Result<()> {
        let arrived = self.player.client.expect(room, texts, PATIENCE)?;
        once_each(self.name, &arrived)
    }

    /// None of these has come after a while.
    pub(super) fn reads_none(&mut self, room: &str, texts: &[String], patience: Duration) -> Result<()> {
        let arrived = self.player.client.expect(room, texts, patience)?;
        let came: Vec<&String> = arrived.counts.iter().filter(|(_, times)| **times > 0).map(|(text, _)| text).collect();
        ensure!(came.is_empty(), "{} read {came:?}", self.name);
        Ok(())
    }

    /// Reads these when they come; the same event may be shown again, as to a client that changed its server.
    pub(super) fn reads_each_event(&mut self, room: &str, texts: &[String]) -> Result<()> {
        let arrived = self.player.client.expect(room, texts, PATIENCE)?;
        ensure!(arrived.complete, "{} lacks {:?}", self.name, arrived.counts.iter().find(|(_, times)| **times == 0));
        let all = self.player.client.arrivals(room)?;
        let readable: BTreeSet<&str> = all.iter().filter(|one| one.body.is_some()).map(|one| &*one.event).collect();
        let unreadable = all.iter().find(|one| !readable.contains(&*one.event));
        ensure!(unreadable.is_none(), "{} could not decrypt {unreadable:?}", self.name);
        once_by_event(self.name, &all, texts)
    }

    /// Each of these stands in the room's past once, decrypted.
    pub(super) fn looks_back(&mut self, room: &str, texts: &[String]) -> Result<usize> {
        let history = self.player.client.history(room, PAST, PATIENCE)?;
        ensure!(history.unreadable.is_empty(), "{} cannot decrypt {:?}", self.name, history.unreadable);
        let mut counts: BTreeMap<&str, u32> = texts.iter().map(|text| (text.as_str(), 0)).collect();
        for body in history.messages.iter().filter_map(|message| message.body.as_deref()) {
            if let Some(count) = counts.get_mut(body) {
                *count += 1;
            }
        }
        let wrong = counts.iter().find(|(_, count)| **count != 1);
        ensure!(wrong.is_none(), "{} finds {wrong:?} in the room's past", self.name);
        Ok(counts.len())
    }
}

fn store(folder: &Path, name: &str) -> PathBuf {
    folder.join("stores").join(name)
}

/// Each text is that of one event.
fn once_by_event(who: &str, all: &[Message], texts: &[String]) -> Result<()> {
    for text in texts {
        let events: BTreeSet<&str> =
            all.iter().filter(|one| one.body.as_ref() == Some(text)).map(|one| &*one.event).collect();
        ensure!(events.len() == 1, "{who} has `{text}` as {events:?}");
    }
    Ok(())
}
