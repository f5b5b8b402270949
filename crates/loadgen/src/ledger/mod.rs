//! The ledger: every message that a server acknowledged, so that its word can be checked after a crash.
//!
//! A line is an event id, the index of the room, the index of the sender and the transaction id. Accounts and rooms stand in a file beside it.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::{
    account::{self, Account, V3, encode},
    client::Client,
};

mod check;

pub(crate) use check::check;

/// Who sends, and where.
const SENDERS: usize = 6;
const ROOMS: usize = 3;

#[derive(Debug, Serialize, Deserialize)]
struct Stage {
    accounts: Vec<Account>,
    rooms: Vec<String>,
}

fn stage_file(ledger: &Path) -> PathBuf {
    ledger.with_extension("stage")
}

async fn stage(url: &str, ledger: &Path) -> Result<Stage> {
    let file = stage_file(ledger);
    if file.exists() {
        return serde_json::from_str(&fs::read_to_string(&file)?).context("the stage file is damaged");
    }
    let mut client = Client::new(url)?;
    let mut accounts = Vec::new();
    // Names that no earlier attempt can have taken.
    let run = std::process::id();
    for index in 0..SENDERS {
        accounts.push(account::register(&mut client, &format!("ledger{run}x{index}")).await?);
    }
    let members: Vec<&Account> = accounts.iter().collect();
    let mut rooms = Vec::new();
    for _ in 0..ROOMS {
        rooms.push(account::room(&mut client, &members, true).await?);
    }
    let stage = Stage { accounts, rooms };
    fs::write(&file, serde_json::to_string(&stage)?)?;
    Ok(stage)
}

fn path(stage: &Stage, room: usize, txn: &str) -> String {
    format!("{V3}/rooms/{}/send/m.room.message/{txn}", encode(&stage.rooms[room]))
}

fn body(txn: &str) -> Value {
    json!({ "msgtype": "m.text", "body": txn, "padding": "x".repeat(500) })
}

/// Sends until the server is gone.
pub(crate) async fn load(url: &str, ledger: &Path) -> Result<()> {
    let file = OpenOptions::new().create(true).append(true).open(ledger)?;
    // A load that was ended within its last line had not written down that message.
    let text = fs::read(ledger)?;
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    file.set_len(whole.try_into()?)?;
    let Ok(stage) = stage(url, ledger).await else { return Ok(()) };
    let (file, stage) = (Arc::new(Mutex::new(file)), Arc::new(stage));
    let mut tasks = Vec::new();
    for sender in 0..SENDERS {
        let (file, stage, url) = (Arc::clone(&file), Arc::clone(&stage), url.to_owned());
        tasks.push(tokio::spawn(async move {
            let mut client = Client::new(&url)?;
            for number in 0_u64.. {
                let room = (sender + usize::try_from(number).unwrap_or(0)) % ROOMS;
                let txn = format!("p{}s{sender}n{number}", std::process::id());
                let token = Some(stage.accounts[sender].token.as_str());
                let Ok(answer) = client.json("PUT", &path(&stage, room, &txn), token, Some(&body(&txn))).await else {
                    return Ok(());
                };
                let event_id = answer["event_id"].as_str().context("no event_id")?;
                writeln!(file.lock().await, "{event_id} {room} {sender} {txn}")?;
            }
            Ok::<_, anyhow::Error>(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(())
}
