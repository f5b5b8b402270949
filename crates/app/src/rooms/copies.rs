//! Where copies of somebody's rooms are, for that person: which other cells and servers have members in each.

use std::sync::Arc;

use domicile_core::{ids::UserNum, locality::Destination};
use domicile_store::table::{destinations, memberships, rooms};
use ruma::OwnedRoomId;

use super::Summaries;
use crate::{Error, Result};

/// Rooms that are looked at: reading a room's name takes a few reads.
const ROOMS: usize = 300;

/// A room of somebody's.
#[derive(Clone, Debug)]
pub struct RoomCopies {
    /// The room.
    pub room_id: OwnedRoomId,
    /// Its name.
    pub name: Option<String>,
    /// Whether what is written in it is encrypted.
    pub encrypted: bool,
    /// How many are in it.
    pub joined: i64,
    /// The other cells and servers that have members in it, each with how many.
    pub elsewhere: Vec<(Destination, i64)>,
}

impl Summaries {
    /// The rooms that somebody is in, and whether these are all of them.
    pub async fn copies(self: &Arc<Self>, user_num: UserNum) -> Result<(Vec<RoomCopies>, bool)> {
        let this = Arc::clone(self);
        self.store()
            .read(move |snapshot| async move {
                let all = memberships::of_user(&snapshot, user_num).await?;
                let joined: Vec<_> = all.into_iter().filter(|membership| membership.membership == "join").collect();
                let mut copies = Vec::new();
                for membership in joined.iter().take(ROOMS) {
                    let Some(row) = rooms::by_num(&snapshot, membership.room_num).await? else { continue };
                    let summary = this.load(&snapshot, &row).await?;
                    let mut elsewhere = Vec::new();
                    for (destination_num, members) in destinations::of_room(&snapshot, row.room_num).await? {
                        let found = destinations::by_num(&snapshot, destination_num).await?;
                        // A name that cannot be read is no reason to hide the others.
                        let destination = found.and_then(|found| found.destination.parse::<Destination>().ok());
                        elsewhere.extend(destination.map(|destination| (destination, members)));
                    }
                    elsewhere.sort();
                    copies.push(RoomCopies {
                        room_id: summary.info.room_id.clone(),
                        name: summary.name.or_else(|| summary.canonical_alias.map(Into::into)),
                        encrypted: summary.encryption.is_some(),
                        joined: summary.joined,
                        elsewhere,
                    });
                }
                Ok::<_, Error>((copies, joined.len() <= ROOMS))
            })
            .await
    }
}
