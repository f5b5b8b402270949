//! Taking in another server's events, in transactions of 50.

use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use super::Reader;
use crate::{
    origin::{FIRST, Origins, Room},
    scenario::{Args, Before, Measured, send},
};

/// Events of a transaction: as many as there may be.
pub(super) const TRANSACTION: usize = 50;

/// `members` users of another server send `messages` messages to a room in which somebody here is. The next transaction goes when the last event of
/// the one before it can be read: so long each of its events took.
pub(crate) async fn run(args: &Args) -> Result<Measured> {
    let (origins, _arriving) = Origins::start(args.federating.certificates()?, 0).await?;
    let signer = origins.signer(FIRST)?;
    let users = (0..args.members.max(1)).map(|index| origins.user(FIRST, &format!("sender{index}")));
    let users = users.collect::<Result<Vec<_>>>()?;
    let mut room = Room::new(&signer, "ingest", &users[0])?;
    for user in &users[1..] {
        room.join(&signer, user)?;
    }
    let id = room.id.clone();
    origins.show(room);
    let (mut reader, _) = Reader::join(&args.url, &args.tag, &id, origins.name(FIRST)?.as_str()).await?;
    let mut room = origins.room(&id)?;
    let mut events = Vec::with_capacity(args.messages);
    for number in 0..args.messages {
        let (kind, content) = send::message(args.plain, number);
        let content: Value = serde_json::from_str(&content)?;
        events.push(room.event(&signer, &users[number % users.len()], kind, None, &content)?);
    }
    origins.show(room);
    let mut teller = origins.teller(&args.federating.name)?;
    // What the join left behind is not what events cost.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = Before::now(args);
    let (mut took, mut errors) = (Vec::with_capacity(events.len()), 0);
    for events in events.chunks(TRANSACTION) {
        let (ms, refused) = reader.told(&mut teller, events).await?;
        took.extend(std::iter::repeat_n(ms, events.len()));
        errors += refused;
    }
    Ok(before.measured(args, took, errors))
}
