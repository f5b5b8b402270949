//! Somebody comes: what their new home does, at the word of the cell that they leave. Every step can be done again.

use std::{collections::HashMap, sync::Arc};

use domicile_core::{
    clock::Clock,
    error::ErrorKind,
    ids::{DeviceNum, RoomNum, UserNum},
    locality::CellName,
};
use domicile_residency::directory::{History, Ticket};
use domicile_store::{
    Batch, Blobs as Files, catalogue,
    table::{
        arrivals::{self, Arrival},
        device_changes, device_doors, memberships, stripped_states, user_words, users,
    },
    walk,
};
use ruma::{OwnedRoomId, OwnedUserId, RoomVersionId, UserId};

use super::{
    bundle::{Bundle, Vaults, Written},
    copies::Copies,
    departures::Departures,
    lines::{Lines, Sums},
    messages::{About, Absent, Arrived, BEGIN, Begin, Begun, Confirmed, HOME, Home, VAULT, Vault},
    steps,
    take_file::ComingFiles,
    turn::Turner,
};
use crate::{
    Error, Result,
    accounts::user_directory,
    e2ee::DeviceLists,
    error::{forbidden, not_found},
    events::{Ingest, wake::Wakers},
    federation::{self, OneAtATime, RemoteRooms},
    media::Blobs,
    residency::Cells,
};

/// With what a vault that waits is sealed.
pub(super) const SEALED: &str = "arrivals.sealed";
/// What a signature of this cell says of what it confirms.
const CONFIRMED: &str = "move confirmed 1";
const ARRIVED: &str = "move arrived 1";

/// How far an arrival is.
pub(super) const COMING: &str = "coming";
pub(super) const CONFIRMED_STATE: &str = "confirmed";
pub(super) const HERE: &str = "here";
/// All that the person said at their old home has come: from now on it has nothing to say for them.
pub const SETTLED: &str = "settled";

/// Takes people in.
pub struct Arrivals {
    pub(super) turner: Arc<Turner>,
    pub(super) vaults: Arc<Vaults>,
    pub(super) departures: Arc<Departures>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ingest: Arc<Ingest>,
    pub(super) remote_rooms: Arc<RemoteRooms>,
    pub(super) past: Arc<federation::History>,
    pub(super) blobs: Arc<dyn Blobs>,
    pub(super) files: Files,
    pub(super) copies: Arc<Copies>,
    pub(super) device_lists: Arc<DeviceLists>,
    pub(super) wakers: Arc<Wakers>,
    /// Late messages come one after another.
    pub(super) late: tokio::sync::Mutex<()>,
    /// The same of whoever is taken in: they may be told of twice at once.
    pub(super) taking_in: OneAtATime<OwnedUserId>,
    /// The same of parts of rooms, by room.
    pub(super) rooms_in_work: OneAtATime<OwnedRoomId>,
    /// Files that are here in part.
    pub(super) coming_files: ComingFiles,
}

impl Arrivals {
    pub(super) fn cells(&self) -> Result<&Cells> {
        self.turner.users.localities().among_cells()
    }

    /// The tickets by which somebody's home is here.
    pub(super) fn at_home_here(&self, tickets: Vec<Ticket>) -> Result<History> {
        let cells = self.cells()?;
        let history = cells.tickets.check(tickets);
        let history = history.map_err(|why| forbidden(format!("Their tickets do not count: {why}.")))?;
        let history = history.filter(|history| history.home().as_ref() == Some(cells.own.name()));
        history.ok_or_else(|| forbidden("The directory does not say that their home is here."))
    }

    async fn row(&self, user_id: &UserId) -> Result<Option<Arrival>> {
        let wanted = user_id.to_string();
        let store = &self.turner.store;
        Ok(store.read(move |snapshot| async move { arrivals::of_user(&snapshot, &wanted).await }).await?)
    }

    /// The arrival that a cell speaks of.
    pub(super) async fn arrival(&self, cell: &CellName, about: &About) -> Result<Arrival> {
        let row = self.row(&about.user_id).await?;
        let row = row.filter(|row| row.move_id == about.move_id && row.origin == cell.as_str());
        row.ok_or_else(|| not_found(format!("{} is not on the way here by this move.", about.user_id)))
    }

    /// Somebody is to come. Says what of their rooms and files is here already.
    pub async fn begin(&self, cell: &CellName, begin: Begin) -> Result<Begun> {
        let Begin { about, tickets, rooms, left } = begin;
        steps::comes(BEGIN);
        let cells = self.cells()?;
        cells.tickets.learn(tickets).await?;
        let home = cells.tickets.home(&about.user_id);
        if home.as_ref() != Some(cell) {
            return Err(forbidden(format!(
                "The home of {} is not the cell that would bring them here.",
                about.user_id
            )));
        }
        let user_num = self.turner.users.num_or_new(&about.user_id).await?;
        let user_num = user_num.ok_or_else(|| Error::internal("somebody who comes has no number"))?;
        // The key first: files are sealed with it when they come.
        self.vaults.keystore.create(user_num).await?;
        steps::happened("whoever comes has a key");
        let known = self.row(&about.user_id).await?.filter(|row| row.move_id == about.move_id);
        if known.is_none() {
            let row = Arrival {
                user_id: about.user_id.to_string(),
                move_id: about.move_id,
                origin: cell.as_str().to_owned(),
                state: COMING.to_owned(),
                changed_ts: self.clock.now_ms(),
                digest: None,
                sealed: None,
                receipt: None,
            };
            let mut batch = Batch::new();
            arrivals::forget_media(&mut batch, about.user_id.as_str());
            arrivals::set(&mut batch, &row);
            self.turner.store.write(batch).await?;
            steps::is_here(BEGIN);
        }
        let (mut missing, mut ended) = (Vec::new(), Vec::new());
        for room_id in rooms {
            let Some(room_num) = self.turner.rooms.num(&room_id).await? else {
                missing.push(room_id);
                continue;
            };
            // Rooms that they are in are caught up with when they are here.
            if left.contains(&room_id) {
                let view = self.turner.rooms.by_num(room_num).await?.view();
                if !view.has_local_members() {
                    ended.push((room_id, view.extremities.iter().map(|(_, id)| id.clone()).collect()));
                }
            }
        }
        let wanted = about.user_id.to_string();
        let store = &self.turner.store;
        let media = store.read(move |snapshot| async move { arrivals::media_of(&snapshot, &wanted).await }).await?;
        Ok(Begun { missing, ended, media: media.into_iter().map(|(id, _)| id).collect() })
    }

    /// Takes a vault. When this returns, it is on disk, and its owner may be let go.
    pub async fn take_vault(&self, cell: &CellName, vault: Vault) -> Result<Confirmed> {
        let Vault { about, bundle, digest } = vault;
        steps::comes(VAULT);
        // One that took too long to come is sent anew: the later one holds.
        let turn = self.taking_in.of(about.user_id.clone());
        let _turn = turn.lock().await;
        let row = self.arrival(cell, &about).await?;
        if row.state == HERE || row.state == SETTLED {
            return Err(ErrorKind::BadRequest.with(format!("{} is here already.", about.user_id)).into());
        }
        let found = bundle.digest()?;
        if found != digest {
            return Err(ErrorKind::InvalidParam.with("The vault is not what its hash says: send it again.").into());
        }
        if row.state == CONFIRMED_STATE && self.opened(&row)?.head > bundle.head {
            return Err(ErrorKind::BadRequest.with("A vault that was read later is here already.").into());
        }
        let text = serde_json::to_vec(&bundle).map_err(Error::internal)?;
        let (sums, absent) = (bundle.sums()?, self.absent(&about.user_id, &bundle).await?);
        let sealed = self.vaults.keystore.cell_key().seal(SEALED, &text)?;
        let row = Arrival {
            state: CONFIRMED_STATE.to_owned(),
            changed_ts: self.clock.now_ms(),
            digest: Some(digest.clone()),
            sealed: Some(sealed),
            ..row
        };
        let mut batch = Batch::new();
        arrivals::set(&mut batch, &row);
        self.turner.store.write(batch).await?;
        steps::is_here(VAULT);
        let said = serde_json::json!([about.move_id, about.user_id, digest, sums]).to_string();
        let signature = self.cells()?.own.key().sign_text(CONFIRMED, said.as_bytes());
        Ok(Confirmed { digest, sums, signature, absent })
    }

    /// The vault that waits.
    fn opened(&self, row: &Arrival) -> Result<Bundle> {
        let sealed = row.sealed.as_ref().ok_or_else(|| Error::internal("somebody was let go without their vault"))?;
        let bundle = self.vaults.keystore.cell_key().open(SEALED, sealed)?;
        serde_json::from_slice(&bundle).map_err(Error::internal)
    }

    /// Serves somebody whose home is here by the directory's word: their vault is opened in the same write with which this cell knows it.
    pub async fn take_home(&self, home: Home) -> Result<Arrived> {
        let Home { about, tickets } = home;
        steps::comes(HOME);
        let turn = self.taking_in.of(about.user_id.clone());
        let _turn = turn.lock().await;
        let row = self.row(&about.user_id).await?.filter(|row| row.move_id == about.move_id);
        let row = row.ok_or_else(|| not_found(format!("{} is not on the way here by this move.", about.user_id)))?;
        if (row.state == HERE || row.state == SETTLED)
            && let Some(receipt) = &row.receipt
        {
            return serde_json::from_str(receipt).map_err(Error::internal);
        }
        let history = self.at_home_here(tickets)?;
        let bundle = self.opened(&row)?;
        let user_num = self.turner.users.num(&about.user_id).await?;
        let user_num = user_num.ok_or_else(|| Error::internal("somebody who comes has no number"))?;
        // From here on their requests wait: nothing of theirs changes before it was read again, and no token of theirs is unknown.
        let hashes = bundle.token_hashes();
        self.departures.begin(user_num, &hashes);
        let arrived = self.take_in(row, (user_num, &about), (history, &bundle)).await;
        match &arrived {
            Ok(_) => self.departures.end_come(user_num, &hashes),
            Err(_) => self.departures.end(user_num),
        }
        let (arrived, waiting) = arrived?;
        let arrived = arrived?;
        self.device_lists.announce(user_num);
        self.wakers.wake(user_num);
        let receipt = serde_json::to_string(&arrived).map_err(Error::internal)?;
        let mut batch = Batch::new();
        arrivals::set(&mut batch, &Arrival { receipt: Some(receipt), ..waiting });
        self.turner.store.write(batch).await?;
        steps::is_here(HOME);
        Ok(arrived)
    }

    /// Opens a vault and reads it again. Gives what this cell confirms if it could, and the row of the arrival as it is then. An error: they are not at
    /// home here.
    async fn take_in(
        &self,
        row: Arrival,
        (user_num, about): (UserNum, &About),
        (history, bundle): (History, &Bundle),
    ) -> Result<(Result<Arrived>, Arrival)> {
        let mut batch = Batch::new();
        let written = self.open(&mut batch, (user_num, &about.user_id), bundle).await?;
        // Their tokens come from there.
        for device_num in written.devices.values() {
            device_doors::put(&mut batch, DeviceNum(*device_num), &row.origin);
        }
        // Should this end before the vault is read again, what was written is what stands in the receipt.
        let placed = written.placed.lines()?;
        // Before anything of theirs changes here: afterwards they may forget a room.
        let absent = Absent { rooms: self.absent_rooms(user_num, bundle).await?, media: written.lost.clone() };
        let left_out = written.left_out + absent.rooms.len() as u64;
        let beforehand = self.receipt(about, placed.sums(), (left_out, &absent), true)?;
        let beforehand = Some(serde_json::to_string(&beforehand).map_err(Error::internal)?);
        let changed_ts = self.clock.now_ms();
        let waiting = Arrival { state: HERE.to_owned(), changed_ts, sealed: None, receipt: beforehand, ..row };
        arrivals::take_in(&mut batch, about.user_id.as_str(), CONFIRMED_STATE, HERE);
        arrivals::set(&mut batch, &waiting);
        arrivals::forget_media(&mut batch, about.user_id.as_str());
        self.turner.turn(&about.user_id, history, &batch).await?;
        steps::happened("whoever comes is at home here");
        // They are at home here, whatever this says.
        Ok((self.compare(about, user_num, (&placed, (left_out, &absent))).await, waiting))
    }

    /// Adds to a batch all that makes somebody's home this cell.
    async fn open(
        &self,
        batch: &mut Batch,
        (user_num, user_id): (UserNum, &UserId),
        bundle: &Bundle,
    ) -> Result<Written> {
        let others: Vec<OwnedUserId> = bundle.others(user_id)?;
        self.turner.users.nums_or_new(&others).await?;
        let mut rooms: HashMap<String, i64> = HashMap::new();
        let named = bundle.rooms.iter().map(|(id, version)| (id, version));
        let named = named.chain(bundle.acquaintances.iter().map(|known| (&known.room_id, &known.version)));
        for (id, version) in named {
            let (Ok(room_id), Ok(version)) =
                (OwnedRoomId::try_from(id.as_str()), RoomVersionId::try_from(version.as_str()))
            else {
                continue;
            };
            if rooms.contains_key(id) {
                continue;
            }
            // Nearly all of them are in memory: their copies have just come.
            let room_num = match self.turner.rooms.num(&room_id).await? {
                Some(room_num) => room_num,
                None => self.remote_rooms.known(&room_id, &version).await?.room_num,
            };
            rooms.insert(id.clone(), room_num.0);
        }
        // What is here of somebody who was met: it gives way to what they bring.
        for table in catalogue::tables().into_iter().rev() {
            if table.name != "users" {
                walk::erase::remove(batch, table, user_num);
            }
        }
        let written = self.vaults.write(batch, (user_num, user_id), rooms.clone(), bundle).await?;
        let position = batch.position();
        for known in &bundle.acquaintances {
            let Some(room_num) = rooms.get(&known.room_id).map(|num| RoomNum(*num)) else { continue };
            memberships::meet(batch, user_num, room_num, &known.membership, known.forgotten, position.clone());
            if let Some(shown) = &known.shown {
                stripped_states::set(batch, user_num, room_num, shown.clone());
            }
        }
        if let Some(frontiers) = &bundle.frontiers {
            arrivals::set_frontiers(batch, user_num, bundle.head, frontiers.get().to_owned());
        }
        users::arrive(batch, user_num);
        user_words::replace(
            batch,
            user_num,
            &user_directory::words(user_id.localpart(), bundle.display_name().as_deref()),
        );
        let mut devices: Vec<&str> = written.devices.keys().map(String::as_str).collect();
        devices.push(device_changes::CROSS_SIGNING);
        self.device_lists.changed(batch, user_num, &devices);
        Departures::welcome(batch, &bundle.token_hashes());
        Ok(written)
    }

    /// Reads the vault again, and sets it against what was brought.
    async fn compare(
        &self,
        about: &About,
        user_num: UserNum,
        (placed, left_out): (&Lines, (u64, &Absent)),
    ) -> Result<Arrived> {
        let read = self.vaults.read(user_num).await?.lines()?;
        let same = read.has_all(placed);
        if !same {
            tracing::warn!(move_id = about.move_id, "what was read again of a vault is not what was brought");
        }
        self.receipt(about, read.sums(), left_out, same)
    }

    /// What this cell signs of somebody who has arrived.
    fn receipt(&self, about: &About, read: Sums, (left_out, absent): (u64, &Absent), same: bool) -> Result<Arrived> {
        let arrived_ts = self.clock.now_ms();
        let said = serde_json::json!([about.move_id, about.user_id, arrived_ts, read, left_out, same]).to_string();
        let signature = self.cells()?.own.key().sign_text(ARRIVED, said.as_bytes());
        Ok(Arrived { arrived_ts, sums: read, left_out, absent: absent.clone(), same, signature })
    }
}
