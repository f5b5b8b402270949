//! Long polls that wait: what each of them costs in memory.

use std::time::Duration;

use anyhow::{Context, Result};

use super::{Args, Before, Measured, settle};
use crate::{
    account::{self, V3, encode},
    client::Client,
};

/// `members` accounts wait in `/sync`, each with a connection of its own.
pub(super) async fn run(args: &Args) -> Result<Measured> {
    let mut client = Client::new(&args.url)?;
    let mut waiting = Vec::new();
    for index in 0..args.members {
        let account = account::register(&mut client, &format!("{}{index}", args.tag)).await?;
        let answer = client.json("GET", &format!("{V3}/sync"), Some(&account.token), None).await?;
        let since = answer["next_batch"].as_str().context("no next_batch")?.to_owned();
        waiting.push((account, since));
    }
    // What the registrations left behind is not what waiting costs.
    settle(args);
    let before = Before::now(args);
    let mut tasks = Vec::new();
    for (account, since) in waiting {
        let url = args.url.clone();
        tasks.push(tokio::spawn(async move {
            let mut client = Client::new(&url)?;
            let path = format!("{V3}/sync?timeout=120000&since={}", encode(&since));
            client.send("GET", &path, Some(&account.token), None).await
        }));
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    let ended = tasks.iter().filter(|task| task.is_finished()).count();
    let measured = before.measured(args, vec![0.0; tasks.len()], ended);
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    Ok(measured)
}
