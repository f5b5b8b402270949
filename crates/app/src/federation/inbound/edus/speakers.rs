//! Whose words another cell brings: of somebody who has just moved there, or of whom this cell has never heard.

use std::collections::BTreeSet;

use domicile_core::locality::{Destination, is_cell};
use ruma::{OwnedUserId, UserId};

use super::{Origin, is_plain};
use crate::{Error, Result};

/// Finds out where those are at home of whom a cell tells and may not, as far as this one knows. Gives those for whom it may speak by the
/// directory's word: this cell is behind, and what it has in memory follows in a moment. What a server tells is its own matter.
pub(super) async fn hear_of(origin: Origin<'_>, speakers: BTreeSet<OwnedUserId>) -> Result<BTreeSet<OwnedUserId>> {
    let mut vouched = BTreeSet::new();
    let Some(cells) = origin.localities.cells().filter(|_| is_cell(origin.name)) else { return Ok(vouched) };
    let is_strange = |user_id: &OwnedUserId| {
        origin.localities.is_ours(user_id.server_name())
            && is_plain(user_id.as_str())
            && !origin.localities.speaks_for(origin.name, user_id)
    };
    let strangers: Vec<OwnedUserId> = speakers.into_iter().filter(is_strange).collect();
    if strangers.is_empty() {
        return Ok(vouched);
    }
    let told = cells.names.look_up_all(&strangers).await?;
    let speaks = |user_id: &UserId| {
        let tickets = told.iter().filter(|ticket| ticket.user_id == user_id).cloned().collect();
        let home = cells.tickets.check(tickets)?.and_then(|history| history.home()).map(|home| cells.own.heir(&home));
        Ok::<_, Error>(home.is_some_and(|home| Destination::Cell(home).peer_name() == origin.name))
    };
    for user_id in strangers {
        if speaks(&user_id)? {
            vouched.insert(user_id);
        } else {
            tracing::info!(origin = %origin.name, "what a cell tells of somebody who is not at home there is dropped");
        }
    }
    if !vouched.is_empty() {
        cells.tickets.learn(told).await?;
    }
    Ok(vouched)
}
