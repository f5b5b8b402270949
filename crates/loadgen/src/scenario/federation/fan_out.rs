//! One message to very many servers, of which half are dead.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::time::Instant;

use super::Reader;
use crate::{
    account::{V3, encode},
    certificates,
    origin::{FIRST, Manner, Origins, Room},
    scenario::{Args, Before, Measured},
};

/// How long the servers' dying and the join's echo are waited for.
const QUIET: Duration = Duration::from_secs(5);
/// How long the living are waited for.
const PATIENCE: Duration = Duration::from_mins(1);

/// Somebody says something to `members` servers. All of them are there when the server under test joins; then a quarter refuse connections and a
/// quarter take them and say nothing. Each living server is one operation.
pub(crate) async fn run(args: &Args) -> Result<Measured> {
    let addresses: Vec<_> = certificates::addresses().take(args.members).collect();
    ensure!(addresses.len() == args.members, "there are {} addresses and no more", addresses.len());
    let (origins, mut arriving) = Origins::start(args.federating.certificates()?, 0).await?;
    let signer = origins.signer(FIRST)?;
    let mut room = Room::new(&signer, "fan", &origins.user(FIRST, "maker")?)?;
    for address in &addresses {
        room.join(&origins.signer(*address)?, &origins.user(*address, "one")?)?;
    }
    let id = room.id.clone();
    origins.show(room);
    let (mut reader, _) = Reader::join(&args.url, &args.tag, &id, origins.name(FIRST)?.as_str()).await?;
    let (dead, living): (Vec<_>, Vec<_>) = addresses.iter().enumerate().partition(|(index, _)| index % 4 < 2);
    origins.set(
        dead.iter().map(|(index, address)| (**address, if index % 4 == 0 { Manner::Refuses } else { Manner::Silent })),
    );
    tokio::time::sleep(QUIET).await;

    let before = Before::now(args);
    let begun = Instant::now();
    let path = format!("{V3}/rooms/{}/send/m.room.message/{}", encode(id.as_str()), args.tag);
    let body = json!({ "msgtype": "m.text", "body": "to all of you" });
    reader.client.json("PUT", &path, Some(&reader.account.token), Some(&body)).await?;
    let mut reached = HashMap::new();
    let all = async {
        while reached.len() < living.len() {
            let arrival = arriving.recv().await.context("nobody listens any more")?;
            if arrival.event["content"]["body"] == body["body"] && arrival.address != FIRST {
                reached.entry(arrival.address).or_insert(arrival.at);
            }
        }
        Ok::<_, anyhow::Error>(())
    };
    if let Ok(ended) = tokio::time::timeout(PATIENCE, all).await {
        ended?;
    }
    let took: Vec<f64> = reached.values().map(|at| at.duration_since(begun).as_secs_f64() * 1_000.0).collect();
    let last = took.iter().copied().fold(0.0, f64::max);
    let missing = living.len() - took.len();
    Ok(before.measured(args, took, missing).ending(last))
}
