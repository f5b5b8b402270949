//! The commands, as every driver understands them. Times are in milliseconds.

use std::path::PathBuf;

use serde::Deserialize;

/// One line of standard input.
#[derive(Debug, Deserialize)]
pub struct Line {
    /// Comes back with the answer.
    pub id: u64,
    #[serde(flatten)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Command {
    /// Makes a client of this server, with its database in the folder `store`.
    Open {
        homeserver: String,
        store: PathBuf,
    },
    /// Makes an account, with a registration token where the server wants one, and logs in.
    Register {
        user: String,
        password: String,
        token: Option<String>,
    },
    Login {
        user: String,
        password: String,
    },
    /// Takes up the session that an earlier process left in the store.
    Restore,
    Logout,
    /// Receives, by `/v3/sync` or by sliding sync, until told to stop.
    SyncStart {
        #[serde(default)]
        sliding: bool,
    },
    SyncStop,
    CreateRoom {
        #[serde(default)]
        encrypted: bool,
        name: Option<String>,
        #[serde(default)]
        invite: Vec<String>,
    },
    Invite {
        room: String,
        user: String,
    },
    Join {
        room: String,
    },
    /// The rooms to which this client is invited, and those that it is in.
    Rooms,
    /// Waits until this client has seen so many joined members.
    WaitMembers {
        room: String,
        count: u64,
        timeout: u64,
    },
    Send {
        room: String,
        body: String,
    },
    /// Sends these one after the other, each as soon as the one before is acknowledged.
    SendMany {
        room: String,
        bodies: Vec<String>,
    },
    /// The newest messages, oldest first, as soon as all of them can be read, or the time is over.
    History {
        room: String,
        limit: u32,
        timeout: u64,
    },
    /// Waits until each of these has arrived, and tells how often each came and which events could not be read.
    Expect {
        room: String,
        bodies: Vec<String>,
        timeout: u64,
    },
    /// Everything that `/sync` brought from this room so far.
    Arrivals {
        room: String,
    },
    /// Begins the list of arrivals anew: what came to a device before it had any keys says nothing about the server.
    ForgetArrivals,
    BootstrapCrossSigning {
        password: String,
    },
    /// Makes a key backup and secret storage, waits until all keys are in it, and answers with the recovery key.
    EnableRecovery,
    Recover {
        key: String,
    },
    /// Waits until this client has heard of another device of its user, as `/sync` announces it.
    WaitDevice {
        device: String,
        timeout: u64,
    },
    /// Verifies another device of this user, or one of somebody else, by comparing emoji; the other side accepts by itself.
    Verify {
        user: Option<String>,
        device: String,
        timeout: u64,
    },
    /// Waits until this client holds somebody else for verified: their keys are signed by its user's.
    WaitUserVerified {
        user: String,
        timeout: u64,
    },
    /// Sends a text as a file, which is encrypted where the room is.
    SendFile {
        room: String,
        name: String,
        text: String,
    },
    /// Fetches the file that an event is about, and answers with its text.
    ReadFile {
        room: String,
        event: String,
    },
    /// Waits until this device is signed by its owner's keys.
    WaitVerified {
        timeout: u64,
    },
    Quit,
}
