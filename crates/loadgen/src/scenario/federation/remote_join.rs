//! Joining a large room through a server that is in it, and how that server came to be in it.

use std::{path::Path, time::Duration};

use anyhow::Result;
use ruma::OwnedRoomId;
use serde::Serialize;
use serde_json::json;
use tokio::time::Instant;

use super::Reader;
use crate::{
    account::{self, V3, encode},
    client::Client,
    origin::{FIRST, Origins, Room},
    scenario::{Args, Before, Measured},
};

/// How long a server may take from the join until it has the whole room.
const PATIENCE: Duration = Duration::from_mins(5);
const PAUSE: Duration = Duration::from_millis(250);
/// The type of the state that the room is full of.
const KIND: &str = "org.example.place";

/// A room that another server holds now.
#[derive(Debug, Serialize)]
pub(crate) struct Held {
    room: OwnedRoomId,
    via: String,
    origin_port: u16,
    seconds: f64,
}

/// Makes a room of `members` members and `state` other state events, and has somebody on a server join it, so that this server holds it.
pub(crate) async fn hold(
    url: &str,
    name: &str,
    certificates: &Path,
    port: u16,
    (members, state): (usize, usize),
) -> Result<()> {
    let (origins, _arriving) = Origins::start(certificates, port).await?;
    let id = make(&origins, members, state)?;
    let (_, ms) = Reader::join(url, "holder", &id, origins.name(FIRST)?.as_str()).await?;
    let held = Held { room: id, via: name.to_owned(), origin_port: origins.port(), seconds: ms / 1_000.0 };
    println!("{}", serde_json::to_string(&held)?);
    Ok(())
}

/// Shows a room of `members` members and `state` other state events.
fn make(origins: &Origins, members: usize, state: usize) -> Result<OwnedRoomId> {
    let (signer, maker) = (origins.signer(FIRST)?, origins.user(FIRST, "maker")?);
    let mut room = Room::new(&signer, "large", &maker)?;
    // The maker is one of them, and so will be who joins.
    for index in 2..members {
        room.join(&signer, &origins.user(FIRST, &format!("member{index}"))?)?;
    }
    for index in 0..state {
        let content = json!({ "name": format!("place {index}"), "about": "x".repeat(100) });
        room.event(&signer, &maker, KIND, Some(&index.to_string()), &content)?;
    }
    let id = room.id.clone();
    origins.show(room);
    Ok(id)
}

/// Somebody joins a room of `members` members and `state` other state events through the server that made it, which tells all of it at once.
pub(crate) async fn direct(args: &Args) -> Result<Measured> {
    let (origins, _arriving) = Origins::start(args.federating.certificates()?, 0).await?;
    let room = make(&origins, args.members, args.federating.state)?;
    enter(args, room, origins.name(FIRST)?.as_str(), args.members).await
}

/// Somebody joins the room `room` of `members` members and `state` other state events through the server `via`. The end that is noted is when the
/// server can tell all members and the last state event.
pub(crate) async fn run(args: &Args) -> Result<Measured> {
    let federating = &args.federating;
    // The server that made the room is still there to say which keys it signs with.
    let (_origins, _arriving) = Origins::start(federating.certificates()?, federating.origin_port).await?;
    let room = OwnedRoomId::try_from(federating.room.as_str())?;
    // The holder's own member and the one who joins now.
    enter(args, room, &federating.via, args.members + 1).await
}

/// Joins and waits for everything.
async fn enter(args: &Args, room: OwnedRoomId, via: &str, members: usize) -> Result<Measured> {
    let mut client = Client::new(&args.url)?;
    let account = account::register(&mut client, &args.tag).await?;
    let mut reader = Reader { client, account, room };
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (before, begun) = (Before::now(args), Instant::now());
    let took = reader.enter(via).await?;
    let waiting = whole(&mut reader, members, args.federating.state);
    let is_whole = tokio::time::timeout(PATIENCE, waiting).await.is_ok_and(|ended| ended.is_ok());
    let end = begun.elapsed().as_secs_f64() * 1_000.0;
    let measured = before.measured(args, vec![took], usize::from(!is_whole));
    Ok(if is_whole { measured.ending(end) } else { measured })
}

async fn whole(reader: &mut Reader, members: usize, state: usize) -> Result<()> {
    let (room, token) = (encode(reader.room.as_str()), Some(reader.account.token.clone()));
    let path = format!("{V3}/rooms/{room}/members?membership=join");
    let last = format!("{V3}/rooms/{room}/state/{KIND}/{}", state.saturating_sub(1));
    loop {
        let told = reader.client.json("GET", &path, token.as_deref(), None).await?;
        let count = told["chunk"].as_array().map_or(0, Vec::len);
        let is_there = state == 0 || reader.client.send("GET", &last, token.as_deref(), None).await? == 200;
        if count == members && is_there {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
}
