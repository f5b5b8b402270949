//! `loadgen cells`: how much CPU a message takes in rooms that lie in 1, 2, 4 and 8 cells of one deployment. It starts the cells itself, since these
//! are servers of Domicile's and of nobody else's: each a process with a folder of its own, on loopback.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use serde_json::json;
use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    account::{self, Account, V3, encode},
    client::Client,
    deployment::{Cell, Regions, start},
    simulate::measured::{Measured, Run},
    usage,
};

/// How long a step may take.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long cells are left alone before it is read what they have used.
const SETTLE: Duration = Duration::from_secs(2);
/// How long it is measured what they use when nobody says anything.
const IDLE: Duration = Duration::from_secs(5);

/// How long the deciding cell is left alone until it has packed its log, which it looks at every 20 seconds.
const PACKED: Duration = Duration::from_secs(50);

/// What to measure.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// The program
    #[arg(long)]
    program: PathBuf,
    /// How many cells, one run for each
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 4, 8])]
    cells: Vec<usize>,
    /// Messages of a run
    #[arg(long, default_value_t = 2_000)]
    messages: usize,
    /// Messages a second, of all people together, in those runs in which they do not talk as fast as they are answered
    #[arg(long, default_value_t = 100.0)]
    pace: f64,
    /// How often each is run, with fresh cells; that of the median CPU time counts
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// The machine, the build and what else runs, in words for docs/scale.md
    #[arg(long, default_value = "some machine")]
    machine: String,
    /// The day, in words for docs/scale.md
    #[arg(long, default_value = "some day")]
    date: String,
    /// Accounts that are made in the deciding cell to see what a name takes in the directory
    #[arg(long, default_value_t = 30_000)]
    names: usize,
    /// Where the result is written as JSON; without it, it is printed
    #[arg(long)]
    write: Option<PathBuf>,
}

/// Measures all runs.
pub(crate) async fn run(args: &Args) -> Result<()> {
    let (mut runs, mut name_bytes) = (Vec::new(), 0.0);
    for &count in &args.cells {
        ensure!((1..=16).contains(&count), "1 to 16 cells are measured");
        let mut rounds = Vec::new();
        for round in 0..args.rounds.max(1) {
            let folder = tempfile::tempdir().context("making a folder")?;
            let cells = start(&args.program, folder.path(), count, Regions::One).await?;
            let measured = measure(&cells, args.messages, args.pace).await.with_context(|| format!("{count} cells"))?;
            eprintln!("{count} cells: {measured:?}");
            rounds.push(measured);
            if count == 1 && round == 0 {
                name_bytes = names(&cells, args.names).await.context("names in the directory")?;
            }
        }
        rounds.sort_by(|one, other| one.cpu_ms.total_cmp(&other.cpu_ms));
        runs.push(rounds.swap_remove(rounds.len() / 2));
    }
    let measured = Measured {
        date: args.date.clone(),
        machine: args.machine.clone(),
        messages: count(args.messages),
        pace: args.pace,
        name_bytes,
        names: count(args.names),
        runs,
    };
    let text = serde_json::to_string_pretty(&measured)? + "\n";
    if let Some(file) = &args.write {
        return fs::write(file, text).with_context(|| format!("writing {}", file.display()));
    }
    print!("{text}");
    Ok(())
}

/// Has one person of each cell talk in a room of all of them, and reads what it cost.
async fn measure(cells: &[Cell], messages: usize, pace: f64) -> Result<Run> {
    let mut people = Vec::new();
    for (number, cell) in cells.iter().enumerate() {
        let mut client = Client::new(&cell.url)?;
        people.push((account::register(&mut client, &format!("p{number}")).await?, cell));
    }
    let (first, home) = people.first().context("nobody is there")?;
    let mut client = Client::new(&home.url)?;
    let invited: Vec<&str> = people.iter().skip(1).map(|(person, _)| person.user_id.as_str()).collect();
    let body = json!({ "preset": "private_chat", "invite": invited });
    let made = client.json("POST", &format!("{V3}/createRoom"), Some(&first.token), Some(&body)).await?;
    let room = made["room_id"].as_str().context("no room_id")?.to_owned();
    for (person, cell) in people.iter().skip(1) {
        join(person, cell, &room).await?;
    }
    // What making the room left to do is not the messages' cost.
    talk(&people, &room, "before", people.len() * 5, None).await?;
    everywhere(&people, &room, "before").await?;
    sleep(SETTLE).await;
    let used = || cells.iter().map(|cell| usage::cpu_seconds(cell.process.id())).sum::<f64>();
    let before = used();
    sleep(IDLE).await;
    let idle = (used() - before) / IDLE.as_secs_f64();
    let mut costs = [0.0; 2];
    let mut per_second = 0.0;
    for (tag, pace, cost) in [("p", Some(pace), 0), ("m", None, 1)] {
        let (cpu, begun) = (used(), Instant::now());
        talk(&people, &room, tag, messages, pace).await?;
        per_second = count(messages) / begun.elapsed().as_secs_f64();
        everywhere(&people, &room, tag).await?;
        sleep(SETTLE).await;
        let by_itself = idle * begun.elapsed().as_secs_f64();
        costs[cost] = (used() - cpu - by_itself) * 1_000.0 / count(messages);
    }
    Ok(Run { cells: count(cells.len()), cpu_ms: costs[0], busy_cpu_ms: costs[1], per_second })
}

/// Joins somebody who was invited; the invite may be on its way yet.
async fn join(person: &Account, cell: &Cell, room: &str) -> Result<()> {
    let begun = Instant::now();
    let mut client = Client::new(&cell.url)?;
    loop {
        match account::join(&mut client, person, room).await {
            Ok(()) => return Ok(()),
            Err(error) if begun.elapsed() > PATIENCE => return Err(error),
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Everybody says their part, at least one message, each as fast as they are answered, or all of them together so many a second, in turn.
async fn talk(people: &[(Account, &Cell)], room: &str, tag: &str, messages: usize, pace: Option<f64>) -> Result<()> {
    let (each, begun) = ((messages / people.len()).max(1), Instant::now());
    try_join_all(people.iter().enumerate().map(|(number, (person, cell))| async move {
        let mut client = Client::new(&cell.url)?;
        let secret = "x".repeat(400);
        for part in 0..each {
            if let Some(pace) = pace {
                sleep_until(begun + Duration::from_secs_f64(count(part * people.len() + number) / pace)).await;
            }
            let text = format!("{tag}-{number}-{part}-{secret}");
            let body = json!({
                "algorithm": "m.megolm.v1.aes-sha2", "ciphertext": text, "session_id": "s", "device_id": "D", "sender_key": "k",
            });
            let path = format!("{V3}/rooms/{}/send/m.room.encrypted/{tag}{number}x{part}", encode(room));
            client.json("PUT", &path, Some(&person.token), Some(&body)).await?;
        }
        Ok::<_, anyhow::Error>(())
    }))
    .await?;
    Ok(())
}

/// Waits until every cell has what everybody says last: what a cell sends another one comes in its order.
async fn everywhere(people: &[(Account, &Cell)], room: &str, tag: &str) -> Result<()> {
    let end = format!("{tag}-end");
    talk(people, room, &end, 0, None).await?;
    for (person, cell) in people {
        let mut client = Client::new(&cell.url)?;
        let begun = Instant::now();
        let path = format!("{V3}/rooms/{}/messages?dir=b&limit=100", encode(room));
        let mut missing: Vec<String> = (0..people.len()).map(|number| format!("{end}-{number}-0-")).collect();
        loop {
            let said = client.json("GET", &path, Some(&person.token), None).await?.to_string();
            missing.retain(|text| !said.contains(text.as_str()));
            if missing.is_empty() {
                break;
            }
            ensure!(begun.elapsed() < PATIENCE, "{} messages did not come to {}", missing.len(), person.user_id);
            sleep(Duration::from_millis(200)).await;
        }
    }
    Ok(())
}

/// Bytes that a name takes in the directory: from the deciding cell's own tables.
async fn names(cells: &[Cell], names: usize) -> Result<f64> {
    let cell = cells.first().context("no cell")?;
    let mut client = Client::new(&cell.url)?;
    for number in 0..names {
        account::register(&mut client, &format!("n{number}")).await?;
    }
    sleep(PACKED).await;
    let database = cell.data.join("domicile.db");
    let pages = Command::new("python3").arg("-c").arg(PAGES).arg(&database).output().context("starting python3")?;
    ensure!(pages.status.success(), "{}", String::from_utf8_lossy(&pages.stderr));
    let bytes: f64 = String::from_utf8_lossy(&pages.stdout).trim().parse().context("bytes of the directory")?;
    Ok(bytes / count(names + 1))
}

/// Sums what stands in the directory's tables. The driver links no database of its own.
const PAGES: &str = "
import sqlite3, sys
db = sqlite3.connect('file:' + sys.argv[1] + '?mode=ro', uri=True)
row = db.execute('SELECT (SELECT SUM(16 + 8 + COALESCE(LENGTH(homes), 0)) FROM directory_names) + (SELECT SUM(LENGTH(entry) + 8) FROM directory_log) + (SELECT COALESCE(SUM(LENGTH(pack) + LENGTH(hash) + 16), 0) FROM directory_packs)')
print(row.fetchone()[0])
";

#[expect(clippy::cast_precision_loss, reason = "counts of a measurement")]
fn count(number: usize) -> f64 {
    number as f64
}
