//! The commands of a driver as functions.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Driver;

/// For what a server does at once.
const SHORT: Duration = Duration::from_secs(90);
/// For what takes many requests.
const LONG: Duration = Duration::from_mins(10);
/// What a driver needs beyond the time it was told to wait.
const MARGIN: Duration = Duration::from_mins(1);

/// A message that could be read.
#[derive(Debug, Clone, Deserialize)]
pub struct Message {
    /// Its event id.
    pub event: String,
    /// Who sent it.
    pub sender: String,
    /// Its text; nothing where it could not be decrypted when it arrived.
    pub body: Option<String>,
}

/// A piece of a room's history.
#[derive(Debug, Clone, Deserialize)]
pub struct History {
    /// The messages that could be read, oldest first.
    pub messages: Vec<Message>,
    /// The events that could not be decrypted.
    #[serde(default)]
    pub unreadable: Vec<String>,
}

/// What has come of what was expected.
#[derive(Debug, Clone, Deserialize)]
pub struct Arrived {
    /// Whether each message came at least once.
    pub complete: bool,
    /// How often each came.
    pub counts: BTreeMap<String, u32>,
    /// The events of that room that could not be decrypted when they arrived.
    pub unreadable: Vec<String>,
}

/// The rooms that a client knows.
#[derive(Debug, Clone, Deserialize)]
pub struct Rooms {
    /// Those to which it is invited.
    pub invited: Vec<String>,
    /// Those that it is in.
    pub joined: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Account {
    user: String,
    device: String,
}

fn read<T: DeserializeOwned>(answer: Value) -> Result<T> {
    serde_json::from_value(answer).context("understanding the driver's answer")
}

fn text_in(answer: &Value, key: &str) -> Result<String> {
    let value = answer[key].as_str().with_context(|| format!("the driver's answer has no `{key}`: {answer}"))?;
    Ok(value.to_owned())
}

impl Driver {
    /// Makes the client, with its database in `store`.
    pub fn open(&mut self, homeserver: &str, store: &Path) -> Result<()> {
        self.ask("open", json!({ "homeserver": homeserver, "store": store }), SHORT).map(drop)
    }

    fn account(&mut self, verb: &str, fields: Value) -> Result<(String, String)> {
        let account: Account = read(self.ask(verb, fields, SHORT)?)?;
        Ok((account.user, account.device))
    }

    /// Makes an account and logs in; returns the user and the device.
    pub fn register(&mut self, user: &str, password: &str) -> Result<(String, String)> {
        self.account("register", json!({ "user": user, "password": password }))
    }

    /// Logs in on a new device; returns the user and the device.
    pub fn login(&mut self, user: &str, password: &str) -> Result<(String, String)> {
        self.account("login", json!({ "user": user, "password": password }))
    }

    /// Takes up the session of an earlier process.
    pub fn restore(&mut self) -> Result<(String, String)> {
        self.account("restore", json!({}))
    }

    /// Ends the session.
    pub fn logout(&mut self) -> Result<()> {
        self.ask("logout", json!({}), SHORT).map(drop)
    }

    /// Receives from now on, by `/v3/sync` or by sliding sync; returns when the first answer has been worked in.
    pub fn start_sync(&mut self, sliding: bool) -> Result<()> {
        self.ask("sync_start", json!({ "sliding": sliding }), SHORT).map(drop)
    }

    /// Stops receiving.
    pub fn stop_sync(&mut self) -> Result<()> {
        self.ask("sync_stop", json!({}), SHORT).map(drop)
    }

    /// Makes a private room and returns its id.
    pub fn create_room(&mut self, encrypted: bool, name: &str, invite: &[&str]) -> Result<String> {
        let fields = json!({ "encrypted": encrypted, "name": name, "invite": invite });
        text_in(&self.ask("create_room", fields, SHORT)?, "room")
    }

    /// Invites somebody.
    pub fn invite(&mut self, room: &str, user: &str) -> Result<()> {
        self.ask("invite", json!({ "room": room, "user": user }), SHORT).map(drop)
    }

    /// Joins a room.
    pub fn join(&mut self, room: &str) -> Result<()> {
        self.ask("join", json!({ "room": room }), SHORT).map(drop)
    }

    /// The rooms that this client knows of, as of its last answer from the server.
    pub fn rooms(&mut self) -> Result<Rooms> {
        read(self.ask("rooms", json!({}), SHORT)?)
    }

    /// Waits until this client has seen so many joined members.
    pub fn wait_members(&mut self, room: &str, count: u64) -> Result<()> {
        self.ask("wait_members", json!({ "room": room, "count": count, "timeout": 30_000 }), SHORT).map(drop)
    }

    /// Sends a message and returns its event id.
    pub fn send(&mut self, room: &str, body: &str) -> Result<String> {
        text_in(&self.ask("send", json!({ "room": room, "body": body }), SHORT)?, "event")
    }

    /// Sends these one after the other, each as soon as the one before is acknowledged.
    pub fn send_many(&mut self, room: &str, bodies: &[String]) -> Result<()> {
        self.ask("send_many", json!({ "room": room, "bodies": bodies }), LONG).map(drop)
    }

    /// The newest messages of a room, oldest first; waits `patience` for those that cannot be read yet.
    pub fn history(&mut self, room: &str, limit: u32, patience: Duration) -> Result<History> {
        let fields = json!({ "room": room, "limit": limit, "timeout": millis(patience) });
        read(self.ask("history", fields, patience + MARGIN)?)
    }

    /// Waits until each of these messages has arrived.
    pub fn expect(&mut self, room: &str, bodies: &[String], patience: Duration) -> Result<Arrived> {
        let fields = json!({ "room": room, "bodies": bodies, "timeout": millis(patience) });
        read(self.ask("expect", fields, patience + MARGIN)?)
    }

    /// Everything that this client received from a room so far.
    pub fn arrivals(&mut self, room: &str) -> Result<Vec<Message>> {
        let history: History = read(self.ask("arrivals", json!({ "room": room }), SHORT)?)?;
        Ok(history.messages)
    }

    /// Begins the list of arrivals anew.
    pub fn forget_arrivals(&mut self) -> Result<()> {
        self.ask("forget_arrivals", json!({}), SHORT).map(drop)
    }

    /// Makes the cross-signing keys.
    pub fn bootstrap_cross_signing(&mut self, password: &str) -> Result<()> {
        self.ask("bootstrap_cross_signing", json!({ "password": password }), SHORT).map(drop)
    }

    /// Makes a key backup with everything in it, and returns the recovery key.
    pub fn enable_recovery(&mut self) -> Result<String> {
        text_in(&self.ask("enable_recovery", json!({}), LONG)?, "key")
    }

    /// Takes the secrets and the backup by the recovery key.
    pub fn recover(&mut self, key: &str) -> Result<()> {
        self.ask("recover", json!({ "key": key }), LONG).map(drop)
    }

    /// Waits until this client has heard of another device of its user.
    pub fn wait_device(&mut self, device: &str) -> Result<()> {
        self.ask("wait_device", json!({ "device": device, "timeout": 30_000 }), SHORT).map(drop)
    }

    /// Verifies another device of this user by emoji.
    pub fn verify(&mut self, device: &str) -> Result<()> {
        self.ask("verify", json!({ "device": device, "timeout": 60_000 }), SHORT + MARGIN).map(drop)
    }

    /// Verifies a device of somebody else by emoji.
    pub fn verify_of(&mut self, user: &str, device: &str) -> Result<()> {
        let fields = json!({ "user": user, "device": device, "timeout": 60_000 });
        self.ask("verify", fields, SHORT + MARGIN).map(drop)
    }

    /// Waits until this client holds somebody else for verified.
    pub fn wait_user_verified(&mut self, user: &str) -> Result<()> {
        self.ask("wait_user_verified", json!({ "user": user, "timeout": 30_000 }), SHORT).map(drop)
    }

    /// Sends a text as a file, encrypted where the room is, and returns its event id.
    pub fn send_file(&mut self, room: &str, name: &str, text: &str) -> Result<String> {
        text_in(&self.ask("send_file", json!({ "room": room, "name": name, "text": text }), SHORT)?, "event")
    }

    /// The text of the file that an event is about.
    pub fn read_file(&mut self, room: &str, event: &str) -> Result<String> {
        text_in(&self.ask("read_file", json!({ "room": room, "event": event }), SHORT)?, "text")
    }

    /// Waits until this device is signed by its owner's keys.
    pub fn wait_verified(&mut self) -> Result<()> {
        self.ask("wait_verified", json!({ "timeout": 30_000 }), SHORT).map(drop)
    }

    /// Ends the process in good order.
    pub fn quit(mut self) -> Result<()> {
        self.ask("quit", json!({}), SHORT).map(drop)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
