//! Somebody has come, or does not come after all: what their new home does afterwards.

use std::collections::HashSet;

use bytes::Bytes;
use domicile_core::{
    error::ErrorKind,
    ids::{DeviceNum, UserNum},
    locality::{CellName, Destination},
};
use domicile_store::{
    Batch, event_id,
    table::{arrivals, memberships, portable, stripped_states, to_device},
};
use ruma::{OwnedRoomId, OwnedUserId, RoomVersionId};

use super::{
    arrive::{Arrivals, CONFIRMED_STATE, HERE, SETTLED},
    bundle::Acquaintance,
    messages::{About, Done, Ends, Home, LATE, Late, POLL, Poll, TURNED, Turned},
    steps,
};
use crate::{Error, Result};

/// How long a vault waits before the directory is asked about it, in milliseconds, and how many are asked about at once.
const WAITS_MS: i64 = 30_000;
const WAITING: i64 = 100;

impl Arrivals {
    /// Takes messages that came while the vault was on its way. Those that are here already are passed over.
    pub async fn take_late(&self, cell: &CellName, late: Late) -> Result<Done> {
        // One after another: the same may be told again while it is still being written.
        let _turn = self.late.lock().await;
        steps::comes(LATE);
        let row = self.arrival(cell, &late.about).await?;
        if row.state != HERE {
            return Err(ErrorKind::BadRequest.with("They are not here yet.").into());
        }
        let user_num = self.turner.users.num(&late.about.user_id).await?;
        let user_num = user_num.ok_or_else(|| Error::internal("somebody who came has no number"))?;
        let read = self.turner.store.read(move |snapshot| async move {
            let devices = portable::devices(&snapshot, user_num).await?;
            Ok::<_, Error>((devices, arrivals::inboxes(&snapshot, user_num).await?))
        });
        let (devices, known) = read.await?;
        let mut batch = Batch::new();
        for (device, place, content) in &late.messages {
            let device_num = devices.iter().find(|(_, id)| *id == device).map(|(num, _)| DeviceNum(*num));
            // Who signs out in between has no inbox any more.
            let Some(device_num) = device_num.filter(|num| !known.contains(&(num.0, *place))) else { continue };
            let position = batch.position();
            to_device::insert(&mut batch, device_num, (position.clone(), 0), content, None);
            arrivals::put_inbox(&mut batch, device_num, *place, position);
        }
        self.take_invites(&mut batch, user_num, &late.invites).await?;
        if !batch.is_empty() {
            self.turner.store.write(batch).await?;
            steps::is_here(LATE);
            self.wakers.wake(user_num);
        }
        Ok(Done {})
    }

    /// Adds invites that came while the vault was on its way, but for rooms of which more is known here.
    async fn take_invites(&self, batch: &mut Batch, user_num: UserNum, invites: &[Acquaintance]) -> Result<()> {
        for invite in invites {
            let (Ok(room_id), Ok(version)) =
                (OwnedRoomId::try_from(invite.room_id.as_str()), RoomVersionId::try_from(invite.version.as_str()))
            else {
                continue;
            };
            let room_num = self.remote_rooms.known(&room_id, &version).await?.room_num;
            let store = &self.turner.store;
            let read = store.read(move |snapshot| async move { memberships::one(&snapshot, user_num, room_num).await });
            let before = read.await?.map(|row| row.membership);
            if !before.is_none_or(|before| matches!(before.as_str(), "leave" | "knock")) {
                continue;
            }
            let position = batch.position();
            memberships::set(batch, user_num, room_num, "invite", memberships::ELSEWHERE, position);
            if let Some(shown) = &invite.shown {
                stripped_states::set(batch, user_num, room_num, shown.clone());
            }
        }
        Ok(())
    }

    /// Asks the directory about those whose vault waits here for its word: the cell that they left may not be there to tell.
    pub(super) async fn ask_about_waiting(&self) -> Result<()> {
        let before = self.clock.now_ms() - WAITS_MS;
        let read = self
            .turner
            .store
            .read(|snapshot| async move { arrivals::in_state(&snapshot, CONFIRMED_STATE, WAITING).await });
        for (user_id, move_id, _, changed_ts) in read.await? {
            if changed_ts > before {
                continue;
            }
            let user_id = OwnedUserId::try_from(user_id).map_err(Error::internal)?;
            let cells = self.cells()?;
            let tickets = cells.names.look_up(&user_id).await?;
            let history = cells.tickets.check(tickets.clone())?;
            if history.and_then(|history| history.home()).as_ref() == Some(cells.own.name()) {
                self.take_home(Home { about: About { move_id, user_id }, tickets }).await?;
            }
        }
        Ok(())
    }

    /// Learns that somebody's home is another one, and tells with what the rooms end here that they are in.
    pub async fn turned(&self, turned: Turned) -> Result<Ends> {
        steps::comes(TURNED);
        let ends = self.turner.learn(turned.tickets).await?;
        steps::is_here(TURNED);
        Ok(ends)
    }

    /// Fetches what of rooms somebody's new home has missed. What the cell that they left tells of itself is the last.
    pub async fn poll(&self, teller: &CellName, poll: Poll) -> Result<Done> {
        steps::comes(POLL);
        let cell = CellName::parse(&poll.cell).ok_or_else(|| ErrorKind::InvalidParam.with("There is no such cell."))?;
        let is_last = cell == *teller;
        let peer = Destination::Cell(cell).peer_name().to_owned();
        let placed = self.placed(&poll.ends).await?;
        for (room_id, ids) in poll.ends.rooms {
            if ids.iter().all(|id| placed.contains(&event_id::to_bytes(id))) {
                continue;
            }
            let Some(room_num) = self.turner.rooms.num(&room_id).await? else { continue };
            let room = self.turner.rooms.by_num(room_num).await?;
            self.ingest.catch_up(&room, &peer, &ids).await?;
        }
        if is_last {
            let mut batch = Batch::new();
            arrivals::settle(&mut batch, poll.about.user_id.as_str(), &poll.about.move_id, teller.as_str(), SETTLED);
            self.turner.store.write(batch).await?;
            steps::is_here(POLL);
        }
        Ok(Done {})
    }

    /// Those of the ends, in stored form, that stand in a timeline here: nearly always all of them, and they are found out at one go.
    async fn placed(&self, ends: &Ends) -> Result<HashSet<Bytes>> {
        let ids: Vec<Bytes> = ends.rooms.values().flatten().map(|id| event_id::to_bytes(id)).collect();
        let store = &self.turner.store;
        let known = store.read(move |snapshot| async move { portable::event_nums(&snapshot, &ids).await }).await?;
        Ok(known.into_iter().filter(|(_, (_, position))| position.is_some()).map(|(id, _)| id).collect())
    }
}
