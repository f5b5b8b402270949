//! Whose words another cell brings: of somebody who has just moved there, or of whom this cell has never heard.

use std::collections::BTreeSet;

use domicile_core::{
    error::ErrorKind,
    locality::{Destination, is_cell},
};
use ruma::{OwnedUserId, UserId};

use super::{Origin, is_plain};
use crate::{Error, Result, residency::settling};

/// Finds out where those are at home of whom a cell tells and may not, as far as this one knows. Where the directory says that it may, this one is
/// behind: the cell keeps what it has to tell until that is known here, too. What a server tells is its own matter.
pub(super) async fn hear_of(origin: Origin<'_>, speakers: BTreeSet<OwnedUserId>) -> Result<()> {
    let Some(cells) = origin.localities.cells().filter(|_| is_cell(origin.name)) else { return Ok(()) };
    let is_strange = |user_id: &&OwnedUserId| {
        origin.localities.is_ours(user_id.server_name())
            && is_plain(user_id.as_str())
            && !origin.localities.speaks_for(origin.name, user_id)
    };
    let strangers: Vec<&UserId> = speakers.iter().filter(is_strange).map(|user_id| &**user_id).collect();
    origin.localities.meet(&strangers).await?;
    let strangers: Vec<OwnedUserId> = speakers.iter().filter(is_strange).cloned().collect();
    if strangers.is_empty() {
        return Ok(());
    }
    let told = cells.names.look_up_all(&strangers).await?;
    let speaks = |user_id: &UserId| {
        let tickets = told.iter().filter(|ticket| ticket.user_id == user_id).cloned().collect();
        let home = cells.tickets.check(tickets)?.and_then(|history| history.home()).map(|home| cells.own.heir(&home));
        Ok::<_, Error>(home.is_some_and(|home| Destination::Cell(home).peer_name() == origin.name))
    };
    let mut behind = Vec::new();
    for user_id in strangers {
        if speaks(&user_id)? {
            behind.push(user_id);
        } else {
            tracing::info!(origin = %origin.name, "what a cell tells of somebody who is not at home there is dropped");
        }
    }
    if behind.is_empty() {
        return Ok(());
    }
    // Where they have just left this cell, it is about to know it; another one follows what it is told now.
    cells.tickets.learn(told).await?;
    let mut attempt = 0;
    while behind.iter().any(|user_id| !origin.localities.speaks_for(origin.name, user_id)) {
        if !settling::settles(attempt).await {
            let text =
                "Somebody of whom this tells has just moved to you, which is not known here yet: try again soon.";
            return Err(ErrorKind::Unavailable.with(text).into());
        }
        attempt += 1;
    }
    Ok(())
}
