//! Two branches of a room that contradict each other.

use std::sync::Arc;

use anyhow::{Context, Result};
use domicile_room::event::{Pdu, ServerSigner};
use ruma::OwnedUserId;
use serde_json::json;

use super::{Reader, ingest::TRANSACTION};
use crate::{
    origin::{FIRST, Origins, Room},
    scenario::{Args, Before, Measured},
};

/// A branch has `messages` events: six in ten are joins, one changes the power levels, the others are state that both branches set.
/// Both branches are told in transactions of 50, one after the other, the last event of the second by itself: for it both whole branches are
/// resolved, and it is the end that is noted.
pub(crate) async fn run(args: &Args) -> Result<Measured> {
    let (origins, _arriving) = Origins::start(args.federating.certificates()?, 0).await?;
    let (signer, maker) = (origins.signer(FIRST)?, origins.user(FIRST, "maker")?);
    let room = Room::new(&signer, "branches", &maker)?;
    let id = room.id.clone();
    origins.show(room);
    let (mut reader, _) = Reader::join(&args.url, &args.tag, &id, origins.name(FIRST)?.as_str()).await?;
    let trunk = origins.room(&id)?;
    let (mut one, mut two) = (trunk.clone(), trunk);
    let first = branch(&mut one, &origins, (&signer, &maker), 1, args.messages)?;
    let second = branch(&mut two, &origins, (&signer, &maker), 2, args.messages)?;
    one.merge(&two);
    origins.show(one);
    let (last, second) = second.split_last().context("a branch needs events")?;
    let mut teller = origins.teller(&args.federating.name)?;
    let before = Before::now(args);
    let (mut took, mut errors) = (Vec::new(), 0);
    for events in first.chunks(TRANSACTION).chain(second.chunks(TRANSACTION)) {
        let (ms, refused) = reader.told(&mut teller, events).await?;
        took.extend(std::iter::repeat_n(ms, events.len()));
        errors += refused;
    }
    let (end, refused) = reader.told(&mut teller, std::slice::from_ref(last)).await?;
    took.push(end);
    Ok(before.measured(args, took, errors + refused).ending(end))
}

fn branch(
    room: &mut Room,
    origins: &Origins,
    (signer, maker): (&ServerSigner, &OwnedUserId),
    side: usize,
    events: usize,
) -> Result<Vec<Arc<Pdu>>> {
    let mut made = Vec::with_capacity(events);
    for number in 0..events {
        made.push(match number % 10 {
            0..=5 => room.join(signer, &origins.user(FIRST, &format!("side{side}x{number}"))?)?,
            6 => {
                let other = origins.user(FIRST, "other")?;
                let level = i64::try_from(number / 10 % 7).context("a small number")?;
                let levels = json!({ "users": { maker.as_str(): 100, other.as_str(): 10 * level } });
                room.event(signer, maker, "m.room.power_levels", Some(""), &levels)?
            }
            _ => {
                let content = json!({ "side": side });
                room.event(signer, maker, "org.example.place", Some(&number.to_string()), &content)?
            }
        });
    }
    Ok(made)
}
