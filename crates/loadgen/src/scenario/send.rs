//! Messages in a closed loop, and joins.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use anyhow::{Result, ensure};
use serde_json::json;

use super::{Args, Before, Measured, settle};
use crate::{
    account::{self, Account, V3, encode},
    client::Client,
};

/// How often messages are measured: the round with the median CPU time counts, since one round is a second or two on a machine that does other things, too.
const ROUNDS: usize = 3;

/// A room with who is in it.
pub(super) struct Room {
    pub(super) id: String,
    pub(super) members: Vec<usize>,
}

/// Accounts and rooms of a scenario.
pub(super) struct Stage {
    pub(super) accounts: Vec<Account>,
    pub(super) rooms: Vec<Room>,
}

/// Makes `rooms` rooms of `members` members.
pub(super) async fn stage(args: &Args) -> Result<Stage> {
    let mut client = Client::new(&args.url)?;
    let mut accounts = Vec::new();
    for index in 0..args.members.max(args.senders.min(args.members * args.rooms)) {
        accounts.push(account::register(&mut client, &format!("{}{index}", args.tag)).await?);
    }
    let mut rooms = Vec::new();
    for index in 0..args.rooms {
        let members: Vec<usize> = (0..args.members).map(|offset| (index + offset) % accounts.len()).collect();
        let chosen: Vec<&Account> = members.iter().map(|member| &accounts[*member]).collect();
        rooms.push(Room { id: account::room(&mut client, &chosen, args.plain).await?, members });
    }
    Ok(Stage { accounts, rooms })
}

/// A message whose event has about 700 bytes before it is signed: its type and content.
pub(super) fn message(plain: bool, number: usize) -> (&'static str, String) {
    if plain {
        // Words as people use them: some often, some once.
        let words: Vec<String> = (0..40).map(|index| format!("word{}", (number * 31 + index * index) % 977)).collect();
        return ("m.room.message", json!({ "msgtype": "m.text", "body": words.join(" ") }).to_string());
    }
    let content = json!({
        "algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "AwgAEnACgAkLmt6qF84IK".repeat(9),
        "session_id": "X3lUlvLELLYxeTx4yOVu6UDpasGEVO0Jbu+QFnm0cKQ", "device_id": "RJYKSTBOIE",
        "sender_key": "IlRMeOPX2e0MurIyfWEucYBRVOEEUMrOHqn/8mLqMjA",
    });
    ("m.room.encrypted", content.to_string())
}

/// Sends as fast as the server answers, in rooms that have a past of `history` messages.
pub(super) async fn run(args: &Args) -> Result<Measured> {
    let stage = Arc::new(stage(args).await?);
    if args.history > 0 {
        let past = Args { senders: args.senders.max(32), tag: format!("{}past", args.tag), ..args.clone() };
        let (_, errors) = all(&past, &stage, args.history).await?;
        ensure!(errors == 0, "{errors} messages of the rooms' past were not sent");
    }
    // What the past and the members left to be done at leisure is not what these messages cost.
    settle(args);
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        let args = Args { tag: format!("{}round{round}", args.tag), ..args.clone() };
        let before = Before::now(&args);
        let (took, errors) = all(&args, &stage, args.messages).await?;
        rounds.push(before.measured(&args, took, errors));
    }
    let errors = rounds.iter().map(|round| round.errors).sum();
    rounds.sort_by(|one, other| one.cpu_ms.total_cmp(&other.cpu_ms));
    Ok(Measured { errors, ..rounds.swap_remove(ROUNDS / 2) })
}

/// Sends `messages` messages from all senders at once; gives how long each took in milliseconds, and how many failed.
pub(super) async fn all(args: &Args, stage: &Arc<Stage>, messages: usize) -> Result<(Vec<f64>, usize)> {
    let left = Arc::new(AtomicUsize::new(messages));
    let mut tasks = Vec::new();
    for sender in 0..args.senders {
        let (stage, left, args) = (Arc::clone(stage), Arc::clone(&left), args.clone());
        tasks.push(tokio::spawn(async move { one(&args, &stage, sender, &left).await }));
    }
    let (mut took, mut errors) = (Vec::new(), 0);
    for task in tasks {
        let (more, failed) = task.await??;
        took.extend(more);
        errors += failed;
    }
    Ok((took, errors))
}

/// One sender's part, until none is left.
async fn one(args: &Args, stage: &Stage, sender: usize, left: &AtomicUsize) -> Result<(Vec<f64>, usize)> {
    let mut client = Client::new(&args.url)?;
    let (mut took, mut errors) = (Vec::new(), 0);
    for number in 0_usize.. {
        if left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err() {
            break;
        }
        let room = &stage.rooms[(sender + number * 7) % stage.rooms.len()];
        let account = &stage.accounts[room.members[sender % room.members.len()]];
        let (kind, body) = message(args.plain, number);
        let path = format!("{V3}/rooms/{}/send/{kind}/{}s{sender}n{number}", encode(&room.id), args.tag);
        let begun = tokio::time::Instant::now();
        match client.send("PUT", &path, Some(&account.token), Some(body.as_bytes())).await {
            Ok(200) => took.push(begun.elapsed().as_secs_f64() * 1_000.0),
            _ => errors += 1,
        }
    }
    Ok((took, errors))
}

/// Joins: `members` accounts join each of `rooms` rooms.
pub(super) async fn join(args: &Args) -> Result<Measured> {
    let mut client = Client::new(&args.url)?;
    let maker = account::register(&mut client, &format!("{}maker", args.tag)).await?;
    let mut accounts = Vec::new();
    for index in 0..args.members {
        accounts.push(account::register(&mut client, &format!("{}{index}", args.tag)).await?);
    }
    let mut rooms = Vec::new();
    for _ in 0..args.rooms {
        rooms.push(account::room(&mut client, &[&maker], args.plain).await?);
    }
    let before = Before::now(args);
    let (mut took, mut errors) = (Vec::new(), 0);
    for room in &rooms {
        for account in &accounts {
            let begun = tokio::time::Instant::now();
            match account::join(&mut client, account, room).await {
                Ok(()) => took.push(begun.elapsed().as_secs_f64() * 1_000.0),
                Err(_) => errors += 1,
            }
        }
    }
    Ok(before.measured(args, took, errors))
}
