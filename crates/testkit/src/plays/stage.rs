//! Where a play takes place: a server, a recorded wire before it, and clients on that wire.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{Homeserver, Wire};
use crate::driver::{Driver, Program};

/// Everybody's password.
pub(super) const PASSWORD: &str = "a password for plays";

/// The programs that can play.
#[derive(Debug, Clone)]
pub struct Cast {
    /// The driver of matrix-sdk.
    pub matrix_sdk: Program,
    /// The driver of matrix-js-sdk.
    pub matrix_js_sdk: Program,
}

/// A server and what is needed to put clients before it.
#[derive(Debug)]
pub struct Stage {
    /// The server itself.
    pub server: Homeserver,
    /// What stands before it.
    pub wire: Wire,
    cast: Cast,
    folder: PathBuf,
    /// Makes the names of this run's users its own, where the server knows earlier ones.
    mark: String,
}

/// A person's client that is logged in.
#[derive(Debug)]
pub(super) struct Player {
    pub(super) client: Driver,
    pub(super) user: String,
    pub(super) device: String,
}

impl Stage {
    /// A stage with its clients' stores, logs and the recorded wire in `folder`.
    pub fn build(server: Homeserver, cast: Cast, folder: &Path) -> Result<Self> {
        let wire = Wire::tap(server.address(), &folder.join("wire"))?;
        let mark = format!("{:x}", std::process::id());
        Ok(Self { server, wire, cast, folder: folder.to_owned(), mark })
    }

    fn client(&self, program: &Program, name: &str) -> Result<Driver> {
        let mut client = Driver::start(program, name, &self.folder)?;
        client.open(&self.wire.url(), &self.folder.join("stores").join(name))?;
        Ok(client)
    }

    /// A new account with cross-signing keys, on matrix-sdk, which receives.
    pub(super) fn newcomer(&self, name: &str, sliding: bool) -> Result<Player> {
        let client = self.client(&self.cast.matrix_sdk, name)?;
        self.enter(client, name, sliding)
    }

    /// The same, on matrix-js-sdk.
    pub(super) fn newcomer_in_js(&self, name: &str) -> Result<Player> {
        let client = self.client(&self.cast.matrix_js_sdk, name)?;
        self.enter(client, name, false)
    }

    fn enter(&self, mut client: Driver, name: &str, sliding: bool) -> Result<Player> {
        let (user, device) = client.register(&format!("{name}-{}", self.mark), PASSWORD)?;
        client.start_sync(sliding)?;
        client.bootstrap_cross_signing(PASSWORD)?;
        Ok(Player { client, user, device })
    }

    /// A further device of somebody, which does not receive yet.
    pub(super) fn further_device(&self, of: &Player, name: &str) -> Result<Player> {
        let mut client = self.client(&self.cast.matrix_sdk, name)?;
        let (user, device) = client.login(&of.user, PASSWORD)?;
        Ok(Player { client, user, device })
    }

    /// Somebody's client in a new process, after the old one was killed.
    pub(super) fn come_back(&self, player: Player) -> Result<Player> {
        let name = player.client.name().to_owned();
        player.client.kill()?;
        let mut client = self.client(&self.cast.matrix_sdk, &name)?;
        let (user, device) = client.restore().context("after its process was killed")?;
        Ok(Player { client, user, device })
    }
}

/// The access token of the session in a client's store.
pub(super) fn token(store: &Path) -> Result<String> {
    Ok(session(store)?["access_token"].as_str().context("the session has no token")?.to_owned())
}

/// Gives the session in a client's store another access token, which stands for the same device.
pub(super) fn set_token(store: &Path, token: &Value) -> Result<()> {
    let mut session = session(store)?;
    session["access_token"] = token.clone();
    let file = session_file(store);
    fs::write(&file, session.to_string()).with_context(|| format!("writing {}", file.display()))
}

fn session(store: &Path) -> Result<Value> {
    let file = session_file(store);
    let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("understanding {}", file.display()))
}

fn session_file(store: &Path) -> PathBuf {
    store.join("session.json")
}

/// Says what is going on, for whoever waits.
pub(super) fn say(words: &str) {
    eprintln!("  {words}");
}
