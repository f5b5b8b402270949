//! Syncs of one account: the first one, those in which nothing is new, and those with news from many rooms.

use anyhow::{Context, Result};

use super::{Args, Before, Measured, send};
use crate::{
    account::{V3, encode},
    client::Client,
    usage,
};

/// How often the first sync is done.
const FIRST: usize = 5;

/// The first sync of an account that is in all rooms.
pub(super) async fn initial(args: &Args) -> Result<Measured> {
    let stage = send::stage(&Args { members: 2, senders: 2, ..args.clone() }).await?;
    let mut client = Client::new(&args.url)?;
    let before = Before::now(args);
    let mut took = Vec::new();
    for round in 0..FIRST {
        // A filter of its own each time, so that no answer is remembered.
        let filter = format!("%7B%22room%22%3A%7B%22timeline%22%3A%7B%22limit%22%3A{}%7D%7D%7D", 10 + round);
        let begun = tokio::time::Instant::now();
        let path = format!("{V3}/sync?filter={filter}");
        client.json("GET", &path, Some(&stage.accounts[0].token), None).await?;
        took.push(begun.elapsed().as_secs_f64() * 1_000.0);
    }
    Ok(before.measured(args, took, 0))
}

/// Syncs that have nothing to tell and do not wait.
pub(super) async fn idle(args: &Args) -> Result<Measured> {
    let stage = send::stage(&Args { members: 2, senders: 2, ..args.clone() }).await?;
    let mut client = Client::new(&args.url)?;
    let token = Some(stage.accounts[0].token.as_str());
    let answer = client.json("GET", &format!("{V3}/sync"), token, None).await?;
    let mut since = answer["next_batch"].as_str().context("no next_batch")?.to_owned();
    let before = Before::now(args);
    let mut took = Vec::new();
    for _ in 0..args.messages {
        let begun = tokio::time::Instant::now();
        let path = format!("{V3}/sync?timeout=0&since={}", encode(&since));
        let answer = client.json("GET", &path, token, None).await?;
        answer["next_batch"].as_str().context("no next_batch")?.clone_into(&mut since);
        took.push(begun.elapsed().as_secs_f64() * 1_000.0);
    }
    Ok(before.measured(args, took, 0))
}

/// Rooms in which something was said before each busy sync.
const BUSY_ROOMS: usize = 10;

/// Syncs of an account that is in all rooms, each with one new message in [`BUSY_ROOMS`] of them. Sending those is not measured.
pub(super) async fn busy(args: &Args) -> Result<Measured> {
    let stage = send::stage(&Args { members: 2, senders: 2, ..args.clone() }).await?;
    let mut client = Client::new(&args.url)?;
    let (reader, writer) = (Some(stage.accounts[0].token.as_str()), Some(stage.accounts[1].token.as_str()));
    let answer = client.json("GET", &format!("{V3}/sync"), reader, None).await?;
    let mut since = answer["next_batch"].as_str().context("no next_batch")?.to_owned();
    let (mut took, mut busy, mut errors) = (Vec::new(), 0.0, 0);
    let before = Before::now(args);
    for number in 0..args.messages {
        let writing = usage::cpu_seconds(args.pid);
        for index in 0..BUSY_ROOMS {
            let room = &stage.rooms[(number * BUSY_ROOMS + index) % stage.rooms.len()];
            let (kind, body) = send::message(args.plain, number);
            let path = format!("{V3}/rooms/{}/send/{kind}/busy{number}x{index}", encode(&room.id));
            client.send("PUT", &path, writer, Some(body.as_bytes())).await?;
        }
        busy += usage::cpu_seconds(args.pid) - writing;
        let begun = tokio::time::Instant::now();
        let path = format!("{V3}/sync?timeout=0&since={}", encode(&since));
        let answer = client.json("GET", &path, reader, None).await?;
        took.push(begun.elapsed().as_secs_f64() * 1_000.0);
        errors += usize::from(answer["rooms"]["join"].as_object().map_or(0, serde_json::Map::len) != BUSY_ROOMS);
        answer["next_batch"].as_str().context("no next_batch")?.clone_into(&mut since);
    }
    Ok(before.without(busy).measured(args, took, errors))
}
