//! What the old home does when somebody is at home elsewhere: it erases their vault, tells the other cells, and lets go of rooms that nobody needs.

use domicile_core::{
    ids::{Position, RoomNum, UserNum},
    locality::CellName,
};
use domicile_store::{
    Batch, catalogue,
    table::{kept_vaults, moves::Move, receipts, stripped_states, to_device},
    walk,
};
use ruma::{OwnedRoomId, UserId};

use super::{
    bundle::Acquaintance,
    copies::{Dropped, Traveller},
    leave::Leaving,
    messages::{Done, Ends, LATE, Late, POLL, Poll, TURNED, Turned},
    progress::{Progress, State},
    steps,
    turn::ends,
};
use crate::{Error, Result, e2ee::pinned_keys, media::removal};

/// What a receipt of this cell says.
const RECEIPT: &str = "move receipt 1";

impl Leaving {
    /// Removes the vault.
    pub(super) async fn erase(&self, row: Move, mut progress: Progress, traveller: &Traveller) -> Result<Move> {
        let user_num = traveller.user_num;
        if !progress.arrived.as_ref().is_some_and(|arrived| arrived.same) {
            let text = "the new home has read the vault again, and it is not what was brought: nothing is erased here before you have looked into it";
            return Err(Error::internal(text));
        }
        let absent = progress.arrived.as_ref().map(|arrived| arrived.absent.clone()).unwrap_or_default();
        let absent = absent.without(&progress.lost_files);
        if !absent.is_empty() {
            let text = format!(
                "the new home lacks {absent} that stood in the vault: nothing is erased here before you have looked into it"
            );
            return Err(Error::internal(text));
        }
        let (store, read_at) = (&self.turner.store, Position(progress.read_at));
        let late =
            store.read(move |snapshot| async move { to_device::of_user_after(&snapshot, user_num, read_at).await });
        let messages = late.await?;
        let invites = self.late_invites(traveller, read_at).await?;
        if !messages.is_empty() || !invites.is_empty() {
            let late = Late { about: traveller.about.clone(), messages, invites };
            self.ask_large::<Late, Done>(&traveller.to, LATE, &late).await?;
        }
        let (files, mut batch) = self.vault_gone(user_num, &row.move_id).await?;
        steps::happened("files of whoever has left are gone");
        self.pin(&mut batch, user_num, &traveller.to).await?;
        progress.erased.of = files;
        progress.erased.done = files;
        let row = self.write_with(row, State::Erased, &progress, batch).await?;
        self.vaults.keystore.destroy(user_num).await?;
        steps::happened("the key of whoever has left is gone");
        Ok(row)
    }

    /// Invites that came after the vault was read, by people of this cell or just before anybody knew.
    async fn late_invites(&self, traveller: &Traveller, read_at: Position) -> Result<Vec<Acquaintance>> {
        let (user_num, mut invites) = (traveller.user_num, Vec::new());
        let rooms = self.rooms_of(user_num).await?;
        for room in rooms.into_iter().filter(|room| room.membership == "invite" && room.position > read_at) {
            let (store, room_num) = (&self.turner.store, room.room_num);
            let read =
                store.read(move |snapshot| async move { stripped_states::get(&snapshot, user_num, room_num).await });
            let shown = match read.await? {
                Some(shown) => Some(shown),
                None => self.rules.shown(traveller, &room).await?,
            };
            let (room_id, version, membership) = (room.room_id, room.version, room.membership);
            invites.push(Acquaintance { room_id, version, membership, forgotten: false, shown });
        }
        Ok(invites)
    }

    /// Remembers somebody's master key for those here who go on sharing rooms with them.
    pub(super) async fn pin(&self, batch: &mut Batch, user_num: UserNum, home: &CellName) -> Result<()> {
        let (home, now_ms) = (home.clone(), self.clock.now_ms());
        let read = self.turner.store.read(move |snapshot| async move {
            let mut pin = Batch::new();
            pinned_keys::pin_departing(&snapshot, &mut pin, (user_num, &home), now_ms).await?;
            Ok::<_, Error>(pin)
        });
        batch.append(read.await?);
        Ok(())
    }

    /// Removes somebody's files but for those that are kept with a move; gives how many went, and what removes the rows.
    pub(super) async fn vault_gone(&self, user_num: UserNum, move_id: &str) -> Result<(u64, Batch)> {
        let (store, wanted) = (&self.turner.store, move_id.to_owned());
        let kept = store.read(move |snapshot| async move { kept_vaults::files(&snapshot, &wanted).await }).await?;
        let files = removal::remove_files_but(store, &self.files, user_num, &kept).await?;
        let mut batch = Batch::new();
        for table in catalogue::tables().into_iter().rev() {
            match table.name {
                // The Matrix id is met here; what waits for others is theirs.
                "users" | "outgoing_edus" => {}
                "receipts" => receipts::remove_private(&mut batch, user_num),
                _ => drop(walk::erase::remove(&mut batch, table, user_num)),
            }
        }
        Ok((files, batch))
    }

    /// Tells the other cells, has the new home fetch what it may have missed, and lets room copies go that nobody here needs.
    pub(super) async fn finish(&self, mut row: Move, mut progress: Progress, traveller: &Traveller) -> Result<Move> {
        self.vaults.keystore.destroy(traveller.user_num).await?;
        while let Some(cell) = progress.untold.first().cloned() {
            let name = CellName::parse(&cell).ok_or_else(|| Error::internal("a cell that is to be told is none"))?;
            // One that was revoked meanwhile has nothing to say any more.
            if self.cells()?.own.document().cells.contains_key(&name) {
                let ends: Ends = self.ask(&name, TURNED, &Turned { tickets: progress.tickets.clone() }).await?;
                self.poll(traveller, &cell, ends).await?;
            }
            progress.untold.remove(0);
            row = self.write(row, State::Erased, &progress).await?;
        }
        let own = self.cells()?.own.name().as_str().to_owned();
        let mut rooms = Vec::with_capacity(progress.left_rooms.len());
        for (_, room_num) in &progress.left_rooms {
            match self.turner.rooms.by_num(RoomNum(*room_num)).await {
                Ok(room) if room.view().is_joined(traveller.user_num) => rooms.push(room),
                // It went with an earlier attempt.
                _ => {}
            }
        }
        self.poll(traveller, &own, ends(&rooms)).await?;
        self.keep_needed(&mut progress).await?;
        // Before the last copy of what was said here goes, their new home has it.
        let going = progress.left_rooms.iter().map(|(room_id, room_num)| {
            Ok((OwnedRoomId::try_from(room_id.as_str()).map_err(Error::internal)?, RoomNum(*room_num)))
        });
        let mut going = going.collect::<Result<Vec<(OwnedRoomId, RoomNum)>>>()?;
        self.complete_rooms(&mut progress, traveller, &going).await?;
        while let Some((room_id, room_num)) = going.pop() {
            match self.copies.drop_unneeded(&room_id, room_num, Some(&traveller.to)).await? {
                Dropped::Gone => {
                    progress.dropped += 1;
                    steps::happened("the copy of a room that nobody needs is gone");
                }
                Dropped::Needed => {}
                Dropped::NotYet => {
                    return Err(Error::internal("other cells have not been told yet what was said last in a room"));
                }
            }
            progress.left_rooms.pop();
        }
        progress.receipt = Some(self.receipt(&row, &progress, &traveller.about.user_id)?);
        self.write(row, State::Done, &progress).await
    }

    /// Lets those of the rooms be whose copies others here need: most of them, and they are found out at one go.
    async fn keep_needed(&self, progress: &mut Progress) -> Result<()> {
        // Where somebody of this cell is joined, there is nothing to look up.
        let has_own = |num: RoomNum| self.turner.rooms.in_memory(num).is_some_and(|room| room.view().here > 0);
        let nums = progress.left_rooms.iter().map(|(_, num)| RoomNum(*num)).filter(|num| !has_own(*num));
        let unneeded = self.copies.unneeded(nums.collect()).await?;
        progress.left_rooms.retain(|(_, room_num)| unneeded.contains(&RoomNum(*room_num)));
        Ok(())
    }

    /// Tells cells where people are of whom they believe something else.
    pub(super) async fn tell_stale(&self) -> Result<()> {
        for (cell, user_id) in self.cells()?.tickets.take_stale() {
            let Some(history) = self.cells()?.tickets.get(&user_id) else { continue };
            let turned = Turned { tickets: history.tickets().to_vec() };
            if let Err(error) = self.ask::<Ends>(&cell, TURNED, &turned).await {
                tracing::info!(%error, "a cell could not be told where somebody is");
            }
        }
        Ok(())
    }

    async fn poll(&self, traveller: &Traveller, cell: &str, ends: Ends) -> Result<()> {
        // This cell's own word is the last, also where there is nothing to fetch.
        if ends.rooms.is_empty() && cell != self.cells()?.own.name().as_str() {
            return Ok(());
        }
        let poll = Poll { about: traveller.about.clone(), cell: cell.to_owned(), ends };
        self.ask_large::<Poll, Done>(&traveller.to, POLL, &poll).await.map(drop)
    }

    /// What this cell signs of a move that is over.
    fn receipt(&self, row: &Move, progress: &Progress, user_id: &UserId) -> Result<serde_json::Value> {
        let own = &self.cells()?.own;
        let said = serde_json::json!({
            "move": row.move_id, "user": user_id, "from": own.name().as_str(), "to": row.destination, "by": row.made_by,
            "reason": row.reason, "frozen_ms": progress.frozen_ms, "rooms": progress.rooms.done, "events": progress.events,
            "files": progress.media.done, "confirmed": progress.confirmed, "arrived": progress.arrived,
            "ticket": progress.tickets.last(), "erased_files": progress.erased.done, "dropped_rooms": progress.dropped,
            "address_until_ts": row.until_ts, "ended_ts": self.clock.now_ms(),
        });
        let signature = own.key().sign_text(RECEIPT, said.to_string().as_bytes());
        Ok(serde_json::json!({ "receipt": said, "signature": signature, "key": own.key().public().to_string() }))
    }
}
