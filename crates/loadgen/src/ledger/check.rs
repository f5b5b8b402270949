//! The check of a ledger: what it names is on the server, once.
//!
//! A check reads each room back to what the check before it had seen, so that the work of a round does not grow with the rounds; a whole one
//! reads back to the beginning. What was seen is kept in a file beside the ledger.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::{Stage, body, path, stage_file};
use crate::{
    account::{V3, encode},
    client::Client,
};

/// The newest lines whose requests are repeated at a check.
const REPEATED: usize = 20;

/// What an earlier check had found in order.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Seen {
    /// So many lines of the ledger
    lines: usize,
    /// The newest message of each room
    newest: Vec<Option<String>>,
}

/// One acknowledged message.
#[derive(Debug)]
struct Line<'a> {
    id: &'a str,
    room: usize,
    sender: usize,
    txn: &'a str,
}

impl<'a> Line<'a> {
    fn parse(text: &'a str) -> Result<Self> {
        let mut parts = text.split(' ');
        let mut part = || parts.next().with_context(|| format!("a line of the ledger is damaged: {text}"));
        Ok(Self { id: part()?, room: part()?.parse()?, sender: part()?.parse()?, txn: part()? })
    }
}

/// What stands in the rooms.
#[derive(Debug, Default)]
struct Found {
    /// The messages by their event ids, each with how often it was met
    events: HashMap<String, u32>,
    /// Rooms and texts
    bodies: HashSet<(usize, String)>,
    newest: Vec<Option<String>>,
}

/// Checks that the messages of the ledger are there, each once, and that a repeated request gives the same event: all of them if `whole`, else
/// those that no earlier check had found.
pub(crate) async fn check(url: &str, ledger: &Path, whole: bool) -> Result<()> {
    let text = fs::read_to_string(ledger)?;
    // The load may have been ended within its last line.
    let written = text.rsplit_once('\n').map_or("", |(written, _)| written);
    let lines = written.lines().map(Line::parse).collect::<Result<Vec<_>>>()?;
    if lines.is_empty() {
        println!("ledger: empty");
        return Ok(());
    }
    let stage: Stage = serde_json::from_str(&fs::read_to_string(stage_file(ledger))?)?;
    let seen = if whole { Seen::default() } else { seen(ledger)? };
    let mut client = Client::new(url)?;
    let found = read_rooms(&mut client, &stage, &seen).await?;
    let (old, new) = lines.split_at(seen.lines);
    for line in new {
        let times = found.events.get(line.id).copied().unwrap_or(0);
        ensure!(times != 0, "the acknowledged event {} is lost", line.id);
        ensure!(times == 1, "the acknowledged event {} is there {times} times", line.id);
    }
    for line in old {
        let again = found.bodies.contains(&(line.room, line.txn.to_owned()));
        ensure!(!again, "the message {} is there twice: a second time after an earlier check", line.txn);
    }
    for line in lines.iter().rev().take(REPEATED) {
        let token = Some(stage.accounts[line.sender].token.as_str());
        let answer = client.json("PUT", &path(&stage, line.room, line.txn), token, Some(&body(line.txn))).await?;
        let same = answer["event_id"] == line.id;
        ensure!(same, "the repeated request {} made another event: {answer} instead of {}", line.txn, line.id);
    }
    println!("ledger: {} acknowledged, {} looked for and all there, each once", lines.len(), new.len());
    let seen = Seen { lines: lines.len(), newest: found.newest };
    fs::write(seen_file(ledger), serde_json::to_string(&seen)?).context("writing what was seen")
}

/// Reads each room from its end back to what was seen earlier.
async fn read_rooms(client: &mut Client, stage: &Stage, seen: &Seen) -> Result<Found> {
    let mut found = Found::default();
    for (index, room) in stage.rooms.iter().enumerate() {
        let until = seen.newest.get(index).cloned().flatten();
        let mut newest = None;
        let mut from = String::new();
        let mut met = until.is_none();
        'room: loop {
            let path = format!("{V3}/rooms/{}/messages?dir=b&limit=500{from}", encode(room));
            let page = client.json("GET", &path, Some(&stage.accounts[0].token), None).await?;
            for event in page["chunk"].as_array().into_iter().flatten() {
                let (Some(id), Some(body)) = (event["event_id"].as_str(), event["content"]["body"].as_str()) else {
                    continue;
                };
                newest.get_or_insert_with(|| id.to_owned());
                if until.as_deref() == Some(id) {
                    met = true;
                    break 'room;
                }
                *found.events.entry(id.to_owned()).or_default() += 1;
                let first = found.bodies.insert((index, body.to_owned()));
                ensure!(first, "the message {body} is there twice");
            }
            match page["end"].as_str() {
                Some(end) => from = format!("&from={}", encode(end)),
                None => break,
            }
        }
        ensure!(met, "the event {} could be read at an earlier check and is gone", until.unwrap_or_default());
        found.newest.push(newest);
    }
    Ok(found)
}

fn seen_file(ledger: &Path) -> PathBuf {
    ledger.with_extension("seen")
}

/// What the last check had found; nothing, if this is the first.
fn seen(ledger: &Path) -> Result<Seen> {
    let file = seen_file(ledger);
    if !file.exists() {
        return Ok(Seen::default());
    }
    serde_json::from_str(&fs::read_to_string(&file)?).with_context(|| format!("{} is damaged", file.display()))
}
