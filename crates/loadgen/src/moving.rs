//! `loadgen moves`: how fast people move from one cell to another, and how long the requests of each wait meanwhile. It starts the cells itself.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use serde_json::{Value, json};
use tokio::{
    task::spawn_blocking,
    time::{Duration, Instant, sleep},
};

use crate::{
    account::{self, Account, V3},
    client::Client,
    deployment::{Cell, Regions, start},
    figures::Figures,
    usage,
};

/// How long cells are left alone before it is read what they have used.
const SETTLE: Duration = Duration::from_secs(3);
/// Of so many people it is asked afterwards whether their old session goes on.
const LOOKED_AT: usize = 20;

/// What to measure.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// The program
    #[arg(long)]
    program: PathBuf,
    /// How many people move, a multiple of --members
    #[arg(long, default_value_t = 1_000)]
    people: usize,
    /// In how many rooms each is
    #[arg(long, default_value_t = 100)]
    rooms: usize,
    /// How many people a room has
    #[arg(long, default_value_t = 100)]
    members: usize,
    /// Messages of each room, beside the events by which people came
    #[arg(long, default_value_t = 0)]
    messages: usize,
    /// Keep the cells' files and logs here, instead of in a folder that is removed
    #[arg(long)]
    keep: Option<PathBuf>,
}

/// Measures it, and prints the figures as JSON.
pub(crate) async fn run(args: &Args) -> Result<()> {
    ensure!(
        args.members > 0 && args.people > 0 && args.people.is_multiple_of(args.members),
        "{} people cannot be in rooms of {} each",
        args.people,
        args.members
    );
    let temporary = tempfile::tempdir().context("making a folder")?;
    let folder = args.keep.clone().unwrap_or_else(|| temporary.path().to_owned());
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let folder = folder.canonicalize().context("finding the folder")?;
    let program = args.program.canonicalize().with_context(|| format!("there is no {}", args.program.display()))?;
    let cells = start(&program, &folder, 2, Regions::Each).await?;
    let [home, there] = cells.as_slice() else { anyhow::bail!("two cells were to start") };
    let began = Instant::now();
    let people = settle(home, args).await?;
    eprintln!("{} people are in their rooms after {:.0} s", people.len(), began.elapsed().as_secs_f64());
    sleep(SETTLE).await;
    let used = || [home, there].map(|cell| usage::cpu_seconds(cell.process.id()));
    let (before, began) = (used(), Instant::now());
    let moves = move_all(&program, &folder, home, &people).await?;
    let seconds = began.elapsed().as_secs_f64();
    let after = used();
    let frozen =
        moves.iter().map(|one| one["progress"]["frozen_ms"].as_f64().context("a move tells how long it froze"));
    let took = moves.iter().map(|one| {
        let at = |key: &str| one[key].as_f64().with_context(|| format!("a move tells its {key}"));
        Ok(at("ended_ts")? - at("created_ts")?)
    });
    for person in people.iter().step_by((people.len() / LOOKED_AT).max(1)) {
        for cell in &cells {
            let (mut client, path) = (Client::new(&cell.url)?, format!("{V3}/account/whoami"));
            let who = client.json("GET", &path, Some(&person.token), None).await?;
            ensure!(who["user_id"] == *person.user_id, "the session of {} did not go on", person.user_id);
        }
    }
    let count = moves.len();
    let measured = json!({
        "people": count, "rooms_of_each": args.rooms, "members_of_each_room": args.members,
        "events": events(args), "seconds": seconds, "people_a_second": figure(count) / seconds,
        "frozen": Figures::of(frozen.collect::<Result<_>>()?), "from_order_to_end": Figures::of(took.collect::<Result<_>>()?),
        "cpu_ms_of_each": { "old_home": (after[0] - before[0]) * 1_000.0 / figure(count), "new_home": (after[1] - before[1]) * 1_000.0 / figure(count) },
    });
    println!("{}", serde_json::to_string_pretty(&measured)?);
    Ok(())
}

/// Events of all rooms: what a room begins with, who came, and what was said.
fn events(args: &Args) -> usize {
    // Its creation, the maker, levels, the rules of joining, of history and of guests.
    const BEGINNING: usize = 6;
    let rooms = args.people / args.members * args.rooms;
    rooms * (BEGINNING + args.members - 1 + args.messages)
}

/// Groups of people, each of whom is in all of their group's rooms.
async fn settle(home: &Cell, args: &Args) -> Result<Vec<Account>> {
    let groups = (0..args.people / args.members).map(|group| async move {
        let mut client = Client::new(&home.url)?;
        let mut members = Vec::with_capacity(args.members);
        for member in 0..args.members {
            members.push(account::register(&mut client, &format!("g{group}m{member}")).await?);
        }
        let all: Vec<&Account> = members.iter().collect();
        for number in 0..args.rooms {
            let room = account::room(&mut client, &all, true).await.with_context(|| format!("room {number}"))?;
            for message in 0..args.messages {
                let by = &members[message % members.len()];
                let path = format!("{V3}/rooms/{}/send/m.room.message/m{message}", account::encode(&room));
                let body = json!({ "msgtype": "m.text", "body": format!("words number {message}") });
                client.json("PUT", &path, Some(&by.token), Some(&body)).await?;
            }
        }
        anyhow::Ok(members)
    });
    Ok(try_join_all(groups).await?.into_iter().flatten().collect())
}

/// Has the operator's command move all of them, and waits for the end. Gives each move as it was in the end.
async fn move_all(program: &Path, folder: &Path, home: &Cell, people: &[Account]) -> Result<Vec<Value>> {
    let list = folder.join("people");
    let names: Vec<&str> = people.iter().map(|person| person.user_id.as_str()).collect();
    fs::write(&list, names.join("\n")).context("writing down who moves")?;
    let mut command = Command::new(program);
    command.arg("--config").arg(&home.config).args(["move", "--from-file"]).arg(&list);
    command.args(["--to", "c1", "--json", "--as", "loadgen", "--reason", "a measurement"]);
    command.current_dir(folder).stdin(Stdio::null());
    let output = spawn_blocking(move || command.output()).await.context("waiting for the command")?;
    let output = output.context("starting the command")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).context("what the command said")?;
    let moves = text.lines().map(|line| serde_json::from_str(line).with_context(|| format!("understanding `{line}`")));
    let moves = moves.collect::<Result<Vec<Value>>>()?;
    ensure!(moves.len() == people.len(), "{} of {} people were told of", moves.len(), people.len());
    Ok(moves)
}

#[expect(clippy::cast_precision_loss, reason = "counts of a measurement")]
fn figure(number: usize) -> f64 {
    number as f64
}
