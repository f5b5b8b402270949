//! `loadgen border`: how long a message takes to somebody of another cell beside somebody of the same, at a fixed rate, and how much CPU. It starts the
//! cells itself.

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::json;
use tokio::{
    sync::{Mutex, mpsc},
    time::{Duration, Instant, sleep, sleep_until, timeout},
};

use crate::{
    account::{self, Account, V3, encode},
    client::Client,
    deployment::{Cell, Regions, start},
    figures::Figures,
    scenario::latency::receive,
    usage,
};

/// How long the last messages may take, and cells are left alone before it is read what they have used.
const PATIENCE: Duration = Duration::from_secs(30);
const SETTLE: Duration = Duration::from_secs(2);
/// Connections over which messages are sent.
const CONNECTIONS: usize = 16;
/// How long an invite may be on its way.
const INVITE: Duration = Duration::from_secs(20);

/// What to measure.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// The program
    #[arg(long)]
    program: PathBuf,
    /// Messages a second, of all rooms together
    #[arg(long, default_value_t = 1_000)]
    rate: u32,
    /// Messages of a run
    #[arg(long, default_value_t = 20_000)]
    messages: usize,
    /// Rooms of two people each: one who writes in the first cell, and one who reads
    #[arg(long, default_value_t = 10)]
    rooms: usize,
    /// How often each is run, with fresh cells, in turn; that of the median p99 counts
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

/// One run.
#[derive(Debug, Clone, Copy, Serialize)]
struct Run {
    /// From when a message was due until the reader had it.
    latency: Figures,
    /// Messages that did not come.
    missing: usize,
    /// CPU of both cells for a message, in milliseconds.
    cpu_ms: f64,
}

/// Measures both, and prints the figures as JSON.
pub(crate) async fn run(args: &Args) -> Result<()> {
    ensure!(args.rooms > 0 && args.rate > 0 && args.messages > 0, "there is nothing to measure");
    let program = args.program.canonicalize().with_context(|| format!("there is no {}", args.program.display()))?;
    let mut runs: [Vec<Run>; 2] = Default::default();
    for round in 0..args.rounds.max(1) {
        for (reader, runs) in runs.iter_mut().enumerate() {
            let folder = tempfile::tempdir().context("making a folder")?;
            let cells = start(&program, folder.path(), 2, Regions::Each).await?;
            let run = measure(&cells, reader, args).await.with_context(|| format!("readers in cell {reader}"))?;
            eprintln!("round {round}, readers in cell {reader}: {run:?}");
            runs.push(run);
        }
    }
    let [within, between] = runs.map(|mut runs| {
        runs.sort_by(|one, other| one.latency.p99_ms.total_cmp(&other.latency.p99_ms));
        runs.swap_remove(runs.len() / 2)
    });
    let measured = json!({
        "rate": args.rate, "messages": args.messages, "rooms": args.rooms, "within_a_cell": within, "between_cells": between,
        "p99_ratio": between.latency.p99_ms / within.latency.p99_ms,
        "link_cpu_ms": between.cpu_ms - within.cpu_ms, "link_cpu_ratio": (between.cpu_ms - within.cpu_ms) / within.cpu_ms,
    });
    println!("{}", serde_json::to_string_pretty(&measured)?);
    Ok(())
}

/// Somebody who writes, and the room.
struct Writer {
    account: Account,
    room: String,
}

async fn measure(cells: &[Cell], reader: usize, args: &Args) -> Result<Run> {
    let (home, there) = (cells.first().context("no cell")?, cells.get(reader).context("no such cell")?);
    let (sink, mut received) = mpsc::unbounded_channel::<(usize, Instant)>();
    let (ready, mut readied) = mpsc::unbounded_channel::<()>();
    let mut writers = Vec::new();
    for number in 0..args.rooms {
        let (writer, other) = pair(home, there, number).await?;
        let (url, room, sink, ready) = (there.url.clone(), writer.room.clone(), sink.clone(), ready.clone());
        tokio::spawn(async move { receive(&url, &other.token, &room, &sink, &ready).await });
        writers.push(writer);
    }
    drop(sink);
    for _ in 0..args.rooms {
        readied.recv().await.context("a reader could not sync")?;
    }
    sleep(SETTLE).await;
    let used = || cells.iter().map(|cell| usage::cpu_seconds(cell.process.id())).sum::<f64>();
    let cpu = used();
    let (start, gap) = (Instant::now(), Duration::from_secs(1) / args.rate);
    let due = move |number: usize| start + gap * u32::try_from(number).unwrap_or(u32::MAX);
    let sending = tokio::spawn(send(home.url.clone(), writers, args.messages, due));
    let mut took = Vec::with_capacity(args.messages);
    let all = async {
        while took.len() < args.messages {
            let Some((number, at)) = received.recv().await else { break };
            took.push(at.saturating_duration_since(due(number)).as_secs_f64() * 1_000.0);
        }
    };
    let patience = due(args.messages).saturating_duration_since(start) + PATIENCE;
    let _in_time = timeout(patience, all).await;
    sending.await.context("the senders ended")??;
    sleep(SETTLE).await;
    let missing = args.messages - took.len();
    Ok(Run { latency: Figures::of(took), missing, cpu_ms: (used() - cpu) * 1_000.0 / figure(args.messages) })
}

/// Two people in a room of theirs.
async fn pair(home: &Cell, there: &Cell, number: usize) -> Result<(Writer, Account)> {
    let (mut here, mut other) = (Client::new(&home.url)?, Client::new(&there.url)?);
    let writer = account::register(&mut here, &format!("w{number}")).await?;
    let reader = account::register(&mut other, &format!("r{number}")).await?;
    let body = json!({ "preset": "private_chat", "invite": [reader.user_id] });
    let made = here.json("POST", &format!("{V3}/createRoom"), Some(&writer.token), Some(&body)).await?;
    let room = made["room_id"].as_str().context("no room_id")?.to_owned();
    let began = Instant::now();
    loop {
        match account::join(&mut other, &reader, &room).await {
            Ok(()) => return Ok((Writer { account: writer, room }, reader)),
            Err(error) if began.elapsed() > INVITE => return Err(error),
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Sends each message when it is due, in the rooms by turns, whether or not earlier ones were answered.
async fn send(url: String, writers: Vec<Writer>, messages: usize, due: impl Fn(usize) -> Instant) -> Result<()> {
    let mut clients = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        clients.push(Arc::new(Mutex::new(Client::new(&url)?)));
    }
    let writers = Arc::new(writers);
    for number in 0..messages {
        sleep_until(due(number)).await;
        let (client, writers) = (Arc::clone(&clients[number % CONNECTIONS]), Arc::clone(&writers));
        tokio::spawn(async move {
            let Writer { account, room } = &writers[number % writers.len()];
            let path = format!("{V3}/rooms/{}/send/m.room.message/border{number}", encode(room));
            let body = json!({ "msgtype": "m.text", "body": format!("#{number}#") }).to_string();
            // What was not sent is not received either, and counts there.
            let _answered = client.lock().await.send("PUT", &path, Some(&account.token), Some(body.as_bytes())).await;
        });
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "counts of a measurement")]
fn figure(number: usize) -> f64 {
    number as f64
}
