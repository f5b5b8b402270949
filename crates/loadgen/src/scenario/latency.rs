//! From sending to receiving, in an open loop: messages are due at fixed times, whether or not earlier ones were answered, and the time of one
//! begins when it is due.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use serde_json::json;
use tokio::{sync::mpsc, time::Instant};

use super::{Args, Before, Measured, send};
use crate::{
    account::{V3, encode},
    client::Client,
};

/// One room of `members`, of whom the first sends and all others wait in `/sync`.
pub(super) async fn run(args: &Args) -> Result<Measured> {
    let args = Args { rooms: 1, senders: 1, ..args.clone() };
    let stage = Arc::new(send::stage(&args).await?);
    let room = stage.rooms[0].id.clone();
    let (sink, mut received) = mpsc::unbounded_channel::<(usize, Instant)>();
    let (ready, mut readied) = mpsc::unbounded_channel::<()>();
    for member in 1..args.members {
        let (stage, url, sink, room) = (Arc::clone(&stage), args.url.clone(), sink.clone(), room.clone());
        let ready = ready.clone();
        tokio::spawn(async move { receive(&url, &stage.accounts[member].token, &room, &sink, &ready).await });
    }
    drop(sink);
    // Everybody stands where the first message will be news.
    for _ in 1..args.members {
        readied.recv().await.context("a receiver could not sync")?;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = Before::now(&args);
    let start = Instant::now();
    let gap = Duration::from_secs(1) / u32::try_from(args.rate.max(1)).unwrap_or(1);
    let due = move |number: usize| start + gap * u32::try_from(number).unwrap_or(u32::MAX);
    let (url, token, messages) = (args.url.clone(), stage.accounts[0].token.clone(), args.messages);
    let sender = tokio::spawn(async move {
        let mut clients = Vec::new();
        for _ in 0..8 {
            clients.push(Arc::new(tokio::sync::Mutex::new(Client::new(&url)?)));
        }
        for number in 0..messages {
            tokio::time::sleep_until(due(number)).await;
            let client = Arc::clone(&clients[number % clients.len()]);
            let path = format!("{V3}/rooms/{}/send/m.room.message/latency{number}", encode(&room));
            let (token, body) =
                (token.clone(), json!({ "msgtype": "m.text", "body": format!("#{number}#") }).to_string());
            tokio::spawn(async move {
                let mut client = client.lock().await;
                // What was not sent is not received either, and counts there.
                let _answered = client.send("PUT", &path, Some(&token), Some(body.as_bytes())).await;
            });
        }
        Ok::<_, anyhow::Error>(())
    });
    let expected = args.messages * (args.members - 1);
    let mut took = Vec::with_capacity(expected);
    let patience = gap * u32::try_from(args.messages).unwrap_or(1) + Duration::from_secs(20);
    let all = async {
        while took.len() < expected {
            let Some((number, at)) = received.recv().await else { break };
            took.push(at.saturating_duration_since(due(number)).as_secs_f64() * 1_000.0);
        }
    };
    let _in_time = tokio::time::timeout(patience, all).await;
    sender.await??;
    let missing = expected - took.len();
    Ok(before.measured(&args, took, missing))
}

/// Waits in `/sync` for ever and tells of every numbered message.
pub(crate) async fn receive(
    url: &str,
    token: &str,
    room: &str,
    sink: &mpsc::UnboundedSender<(usize, Instant)>,
    ready: &mpsc::UnboundedSender<()>,
) -> Result<()> {
    let mut client = Client::new(url)?;
    let filter = "%7B%22presence%22%3A%7B%22types%22%3A%5B%5D%7D%2C%22room%22%3A%7B%22timeline%22%3A%7B%22limit%22%3A100%7D%7D%7D";
    let answer = client.json("GET", &format!("{V3}/sync?filter={filter}"), Some(token), None).await?;
    let mut since = answer["next_batch"].as_str().context("no next_batch")?.to_owned();
    ready.send(())?;
    loop {
        let path = format!("{V3}/sync?timeout=30000&filter={filter}&since={}", encode(&since));
        let answer = client.json("GET", &path, Some(token), None).await?;
        let at = Instant::now();
        for event in answer["rooms"]["join"][room]["timeline"]["events"].as_array().into_iter().flatten() {
            let body = event["content"]["body"].as_str().unwrap_or_default();
            if let Ok(number) = body.trim_matches('#').parse() {
                sink.send((number, at))?;
            }
        }
        answer["next_batch"].as_str().context("no next_batch")?.clone_into(&mut since);
    }
}
