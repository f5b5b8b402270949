//! Somebody with two devices: matrix-sdk, which encrypts, and a session by hand for what it has no call for.

#![expect(clippy::disallowed_methods, reason = "a play goes on in real time")]

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use super::http::{ask, escape, exchange};
use super::side::Side;
use super::{PATIENCE, PAUSE};
use crate::driver::{Driver, Program};
use crate::plays::stage::PASSWORD;

/// As many answers of `/sync` are looked at again.
const SEEN: usize = 200;

/// Makes the names of transactions.
static TRANSACTIONS: AtomicU64 = AtomicU64::new(1);

pub(super) struct Person {
    pub(super) client: Driver,
    pub(super) line: Line,
    pub(super) user: String,
    pub(super) device: String,
    /// The server's name.
    pub(super) server: String,
    title: String,
    name: String,
    program: Program,
    folder: PathBuf,
    address: SocketAddr,
    /// How many devices there were.
    devices: u32,
}

impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.title)
    }
}

impl Person {
    /// Makes an account with cross-signing keys, and logs in by hand too.
    pub(super) fn arrive(name: &str, side: &Side<'_>, driver: &Program, folder: &Path) -> Result<Self> {
        Self::arrive_at(name, (side.clients, &side.name, &side.title()), driver, folder)
    }

    /// The same where clients connect to an address. The server's name and title come with it.
    pub(super) fn arrive_at(
        name: &str,
        (address, server, title): (SocketAddr, &str, &str),
        driver: &Program,
        folder: &Path,
    ) -> Result<Self> {
        let mut client = Driver::start(driver, name, folder)?;
        client.open(&format!("http://{address}"), &folder.join("stores").join(name))?;
        let (user, device) = client.register(name, PASSWORD)?;
        client.start_sync(false)?;
        client.bootstrap_cross_signing(PASSWORD)?;
        let line = Line::log_in(address, &user)?;
        Ok(Self {
            client,
            line,
            user,
            device,
            server: server.to_owned(),
            title: format!("{name} of {title}"),
            name: name.to_owned(),
            program: driver.clone(),
            folder: folder.to_owned(),
            address,
            devices: 1,
        })
    }

    /// Makes an encrypted room for those who are invited.
    pub(super) fn create_encrypted(&self, version: &str, name: &str) -> Result<String> {
        let encryption = json!({
            "type": "m.room.encryption", "state_key": "", "content": { "algorithm": "m.megolm.v1.aes-sha2" },
        });
        self.line.create(version, json!({ "preset": "private_chat", "name": name, "initial_state": [encryption] }))
    }

    /// Logs in on a further device, which receives from now on.
    pub(super) fn further_device(&mut self) -> Result<Driver> {
        self.devices += 1;
        let name = format!("{}-{}", self.name, self.devices);
        let mut client = Driver::start(&self.program, &name, &self.folder)?;
        client.open(&format!("http://{}", self.address), &self.folder.join("stores").join(&name))?;
        client.login(&self.user, PASSWORD)?;
        client.start_sync(false)?;
        Ok(client)
    }
}

/// A session by hand. Its device has no keys.
pub(in crate::plays) struct Line {
    address: SocketAddr,
    token: String,
    since: Option<String>,
    /// What `/sync` brought since this was last forgotten.
    seen: VecDeque<Value>,
}

impl Line {
    fn log_in(address: SocketAddr, user: &str) -> Result<Self> {
        let body = json!({
            "type": "m.login.password",
            "identifier": { "type": "m.id.user", "user": user },
            "password": PASSWORD,
        });
        let answer = ask(address, None, "POST", "/_matrix/client/v3/login", Some(&body))?;
        let token = answer["access_token"].as_str().context("the login gave no token")?.to_owned();
        Ok(Self { address, token, since: None, seen: VecDeque::new() })
    }

    /// Makes an account, and returns a session of it and the user's id.
    pub(in crate::plays) fn register(address: SocketAddr, name: &str) -> Result<(Self, String)> {
        let body = json!({ "auth": { "type": "m.login.dummy" }, "username": name, "password": PASSWORD });
        let answer = ask(address, None, "POST", "/_matrix/client/v3/register", Some(&body))?;
        let field =
            |name: &str| anyhow::Ok(answer[name].as_str().with_context(|| format!("no {name} was given"))?.to_owned());
        let (token, user) = (field("access_token")?, field("user_id")?);
        Ok((Self { address, token, since: None, seen: VecDeque::new() }, user))
    }

    /// The session that an access token stands for.
    pub(in crate::plays) fn of(address: SocketAddr, token: String) -> Self {
        Self { address, token, since: None, seen: VecDeque::new() }
    }

    /// The same session once more: who writes and who reads are different threads.
    pub(in crate::plays) fn another(&self) -> Self {
        Self { address: self.address, token: self.token.clone(), since: None, seen: VecDeque::new() }
    }

    /// Its access token.
    pub(in crate::plays) fn token(&self) -> &str {
        &self.token
    }

    /// The status and the body of an answer; `None` where there was none, or only a part of it.
    pub(in crate::plays) fn exchange(&self, method: &str, path: &str, body: Option<&Value>) -> Option<(u16, Value)> {
        let path = format!("/_matrix/client/{path}");
        let (status, answer) = exchange(self.address, Some(&self.token), method, &path, body).ok()?;
        Some((status, serde_json::from_str(&answer).ok()?))
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        ask(self.address, Some(&self.token), method, &format!("/_matrix/client/{path}"), body)
    }

    pub(in crate::plays) fn get(&self, path: &str) -> Result<Value> {
        self.ask("GET", path, None)
    }

    pub(in crate::plays) fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.ask("POST", path, Some(body))
    }

    pub(in crate::plays) fn put(&self, path: &str, body: &Value) -> Result<Value> {
        self.ask("PUT", path, Some(body))
    }

    /// The status of an answer that must be an error, with its code.
    pub(in crate::plays) fn refusal(&self, path: &str, body: &Value) -> Result<(u16, String)> {
        let path = format!("/_matrix/client/{path}");
        let (status, answer) = exchange(self.address, Some(&self.token), "POST", &path, Some(body))?;
        ensure!(status != 200, "POST {path} was granted");
        let answer: Value = serde_json::from_str(&answer).with_context(|| format!("{status}: `{answer}`"))?;
        Ok((status, answer["errcode"].as_str().unwrap_or_default().to_owned()))
    }

    /// Makes a room and returns its id.
    pub(in crate::plays) fn create(&self, version: &str, mut fields: Value) -> Result<String> {
        fields["room_version"] = version.into();
        let answer = self.post("v3/createRoom", &fields)?;
        Ok(answer["room_id"].as_str().context("the new room has no id")?.to_owned())
    }

    /// Joins by an id or an alias, by way of a server where one is named.
    pub(in crate::plays) fn join(&self, room: &str, via: Option<&str>) -> Result<()> {
        let via = via.map(|via| format!("?via={0}&server_name={0}", escape(via))).unwrap_or_default();
        self.post(&format!("v3/join/{}{via}", escape(room)), &json!({})).map(drop)
    }

    /// Does something to the membership in a room: `invite`, `leave`, `ban`, `unban`.
    pub(in crate::plays) fn membership(&self, verb: &str, room: &str, user: Option<&str>) -> Result<()> {
        let body = user.map_or_else(|| json!({}), |user| json!({ "user_id": user }));
        self.post(&format!("v3/rooms/{}/{verb}", escape(room)), &body).map(drop)
    }

    /// Writes something that is not encrypted, and returns its event.
    pub(in crate::plays) fn say(&self, room: &str, text: &str) -> Result<String> {
        let path = format!("v3/rooms/{}/send/m.room.message/{}", escape(room), transaction());
        let answer = self.put(&path, &json!({ "msgtype": "m.text", "body": text }))?;
        Ok(answer["event_id"].as_str().context("the message has no id")?.to_owned())
    }

    pub(in crate::plays) fn redact(&self, room: &str, event: &str) -> Result<()> {
        let path = format!("v3/rooms/{}/redact/{}/{}", escape(room), escape(event), transaction());
        self.put(&path, &json!({ "reason": "a slip" })).map(drop)
    }

    pub(in crate::plays) fn state(&self, room: &str, kind: &str, key: &str) -> Result<Value> {
        self.get(&format!("v3/rooms/{}/state/{kind}/{}", escape(room), escape(key)))
    }

    pub(in crate::plays) fn set_state(&self, room: &str, kind: &str, content: &Value) -> Result<()> {
        self.put(&format!("v3/rooms/{}/state/{kind}/", escape(room)), content).map(drop)
    }

    /// Waits until this server has somebody with a membership in a room.
    pub(in crate::plays) fn wait_membership(&self, room: &str, user: &str, membership: &str) -> Result<()> {
        self.wait_state(room, "m.room.member", user, &format!("is `{membership}`"), |content| {
            content["membership"] == membership
        })
    }

    /// Waits until a state is as it should be.
    pub(in crate::plays) fn wait_state(
        &self,
        room: &str,
        kind: &str,
        key: &str,
        what: &str,
        good: impl Fn(&Value) -> bool,
    ) -> Result<()> {
        until(|| match self.state(room, kind, key) {
            Ok(content) if good(&content) => Ok(Ok(())),
            other => Ok(Err(format!("{kind} of `{key}` in {room} never {what}: {other:?}"))),
        })
    }

    /// Asks `/sync` once.
    pub(super) fn sync(&mut self, timeout: u32) -> Result<()> {
        let since = self.since.as_deref().map(|since| format!("&since={}", escape(since))).unwrap_or_default();
        let answer = self.get(&format!("v3/sync?timeout={timeout}{since}"))?;
        self.since = answer["next_batch"].as_str().map(str::to_owned);
        self.seen.push_back(answer);
        if self.seen.len() > SEEN {
            self.seen.pop_front();
        }
        Ok(())
    }

    /// Whether `/sync` brought something since this was last forgotten.
    pub(super) fn saw(&self, look: impl Fn(&Value) -> bool) -> bool {
        self.seen.iter().any(look)
    }

    /// What comes from now on is what counts.
    pub(in crate::plays) fn forget(&mut self) -> Result<()> {
        self.sync(0)?;
        self.seen.clear();
        Ok(())
    }

    /// Waits until `/sync` brings something.
    pub(in crate::plays) fn wait(&mut self, what: &str, look: impl Fn(&Value) -> bool) -> Result<()> {
        let began = Instant::now();
        if self.seen.iter().any(&look) {
            return Ok(());
        }
        loop {
            self.sync(1000)?;
            if self.seen.back().is_some_and(&look) {
                return Ok(());
            }
            ensure!(began.elapsed() < PATIENCE, "/sync did not bring {what} in {PATIENCE:?}");
        }
    }
}

/// Asks again and again until something is so.
pub(in crate::plays) fn until<T>(mut look: impl FnMut() -> Result<Result<T, String>>) -> Result<T> {
    let began = Instant::now();
    loop {
        match look()? {
            Ok(found) => return Ok(found),
            Err(why) if began.elapsed() > PATIENCE => bail!("after {PATIENCE:?}: {why}"),
            Err(_) => sleep(PAUSE),
        }
    }
}

fn transaction() -> String {
    format!("play-{}", TRANSACTIONS.fetch_add(1, Ordering::Relaxed))
}
