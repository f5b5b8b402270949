//! What cells do for one that was restored from a backup, and what it does itself: people who have moved since are where the directory says, and
//! rooms are what they are elsewhere.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use bytes::Bytes;
use domicile_core::{
    ids::{Position, UserNum},
    locality::{CellName, Destination, Locality},
    rng,
};
use domicile_residency::directory::Ticket;
use domicile_store::{
    Batch,
    blob::BlobId,
    table::{
        arrivals::{self, Arrival},
        backups, memberships,
        moves::{self as rows, Move},
        room_cells, users,
    },
};
use ruma::{OwnedEventId, OwnedUserId, RoomId, ServerName, UserId};

use super::{
    ID_LENGTH, Moves, State,
    arrive::{Arrivals, COMING, CONFIRMED_STATE, HERE, SEALED, SETTLED},
    copies::Traveller,
    keep::{self, Content},
    leave::Leaving,
    messages::{About, Home},
    progress::{Progress, of_row},
};
use crate::{
    Error, Result,
    error::{forbidden, not_found},
    federation::peers,
    residency::InnerLink,
    restore::messages::{
        BackedUp, FILE, Kept, Left, Page, PartAnswer, PartQuestion, RoomEnds, SealedAnswer, VAULT, Which,
    },
    rooms::Room,
};

/// Rooms that are told about at once.
const ROOMS: i64 = 200;
/// In whose name a restored cell moves people out.
const BY: &str = "the restore from a backup";

impl Moves {
    fn leaving(&self) -> Result<&Arc<Leaving>> {
        self.leaving.as_ref().ok_or_else(|| not_found("This server is no cell of a deployment."))
    }

    // What another cell is told --------------------------------------------------------------------------------------

    /// Rooms in which a cell's people are, with their ends, after a number.
    pub async fn rooms_for(&self, cell: &CellName, after: i64) -> Result<Page<RoomEnds>> {
        let name = Destination::Cell(cell.clone()).to_string();
        let read =
            self.store.read(move |snapshot| async move { room_cells::of_cell(&snapshot, &name, after, ROOMS).await });
        let mut all = Vec::new();
        for room_num in read.await? {
            let room = self.turner.rooms.by_num(room_num).await?;
            let ends = room.view().extremities.iter().map(|(_, id)| id.clone()).collect();
            all.push(RoomEnds { number: room_num.0, room_id: room.info.room_id.clone(), ends });
        }
        Ok(Page { all })
    }

    /// A part of a room in which somebody of a cell is, as that person may see it.
    pub async fn part_for(&self, cell: &CellName, question: &PartQuestion) -> Result<PartAnswer> {
        let room = self.turner.rooms.get(&question.room_id).await?;
        let of_cell = Locality::Elsewhere(Destination::Cell(cell.clone()));
        let room_num = room.info.room_num;
        let members = self.store.read(move |snapshot| async move { memberships::of_room(&snapshot, room_num).await });
        let mut found = None;
        for row in members.await?.into_iter().filter(|row| row.membership == "join") {
            let user_id = self.users.id(row.user_num).await?;
            if self.users.localities().of(&user_id) == of_cell {
                found = Some((row.user_num, user_id));
                break;
            }
        }
        let (user_num, user_id) = found.ok_or_else(|| forbidden("Nobody of that cell is in the room."))?;
        let about = About { move_id: String::new(), user_id };
        let traveller = Traveller { about, user_num, to: cell.clone() };
        let after = question.after.map(Position);
        self.turner.rooms.with_members(&room).await?;
        let part = self.leaving()?.copies.part(&traveller, &room, (after, Position(i64::MAX))).await?;
        Ok(PartAnswer { part: part.map(|(part, last)| (part, last.0)) })
    }

    /// Those who have left for this cell, and of whom nothing has to be kept any more: they are in a backup that the operator has confirmed, or are
    /// at home here no more.
    pub async fn backed_up(&self, left: Left) -> Result<BackedUp> {
        let last = self.store.read(|snapshot| async move { backups::last_confirmed(&snapshot).await }).await?;
        let mut moves = Vec::new();
        for (move_id, user_id) in left.moves {
            let wanted = user_id.to_string();
            let read = self.store.read(move |snapshot| async move {
                Ok::<_, Error>((
                    arrivals::of_user(&snapshot, &wanted).await?,
                    users::is_erased(&snapshot, &wanted).await?,
                ))
            });
            let (arrival, is_erased) = read.await?;
            let has_moved_on = matches!(self.users.localities().of(&user_id), Locality::Elsewhere(_));
            let is_safe = arrival.is_some_and(|arrival| {
                let is_here = arrival.state == HERE || arrival.state == SETTLED;
                arrival.move_id == move_id && is_here && last.is_some_and(|last| last > arrival.changed_ts)
            });
            if is_safe || is_erased || has_moved_on {
                moves.push(move_id);
            }
        }
        Ok(BackedUp { moves })
    }

    // What a restored cell does --------------------------------------------------------------------------------------

    /// Ends moves that had not handed anything over when the backup was made: whether the person has objected since, nobody knows here.
    pub async fn stop_after_restore(&self) -> Result<usize> {
        let states = [State::Announced.word(), State::Objected.word(), State::Copying.word()];
        let read = self.store.read(move |snapshot| async move { rows::in_states(&snapshot, &states).await });
        let open = read.await?;
        let count = open.len();
        for row in open {
            let error = "this cell was restored from a backup, and nothing is known here of what has been said of this move since: order it anew";
            let row = Move {
                state: State::Stopped.word().to_owned(),
                error: Some(error.to_owned()),
                ended_ts: Some(self.clock.now_ms()),
                ..row
            };
            let mut batch = Batch::new();
            rows::update(&mut batch, &row);
            self.store.write(batch).await?;
        }
        Ok(count)
    }

    /// Lets somebody's vault go whose home is elsewhere by the directory's tickets; whether there was one. What is left of their rooms goes with the
    /// last steps of a move.
    pub async fn drop_left(&self, user_id: &UserId, tickets: Vec<Ticket>) -> Result<bool> {
        let leaving = self.leaving()?;
        let cells = leaving.cells()?;
        let Some(history) = cells.tickets.check(tickets)? else { return Ok(false) };
        let Some(home) = history.home().filter(|home| home != cells.own.name()) else { return Ok(false) };
        let Some(user_num) = self.users.num(user_id).await? else { return Ok(false) };
        let wanted = user_id.to_string();
        let read = self.store.read(move |snapshot| async move {
            let open = rows::open_of(&snapshot, &wanted).await?;
            Ok::<_, Error>((open, domicile_store::table::portable::rooms_of(&snapshot, user_num).await?))
        });
        let (open, rooms) = read.await?;
        let mut progress = match &open {
            Some(row) => of_row(row)?.1,
            None => Progress::default(),
        };
        progress.tickets = history.tickets().to_vec();
        progress.left_rooms =
            rooms.iter().filter(|room| room.has_copy).map(|room| (room.room_id.clone(), room.room_num.0)).collect();
        let row = open.unwrap_or_else(|| self.left_row(user_id, &home));
        let (files, mut batch) = leaving.vault_gone(user_num, &row.move_id).await?;
        leaving.pin(&mut batch, user_num, &home).await?;
        (progress.erased.of, progress.erased.done) = (files, files);
        self.write_left(&mut batch, &row, &progress)?;
        users::leave(&mut batch, user_num);
        self.turner.turn(user_id, history, &batch).await?;
        leaving.vaults.keystore.destroy(user_num).await?;
        leaving.sessions.forget(|session| session.user_num == user_num);
        self.departures.end(user_num);
        Ok(true)
    }

    fn left_row(&self, user_id: &UserId, home: &CellName) -> Move {
        let now_ms = self.clock.now_ms();
        Move {
            move_id: rng::name(&*self.rng, ID_LENGTH),
            user_id: user_id.to_string(),
            destination: home.as_str().to_owned(),
            state: State::Copying.word().to_owned(),
            revision: 0,
            made_by: BY.to_owned(),
            reason: "they had moved before the backup was restored".to_owned(),
            created_ts: now_ms,
            begin_ts: now_ms,
            due_ts: now_ms,
            attempts: 0,
            error: None,
            progress: String::new(),
            until_ts: None,
            ended_ts: None,
        }
    }

    /// The row of somebody who has left: what is left to be done is what comes after the vault was erased.
    fn write_left(&self, batch: &mut Batch, row: &Move, progress: &Progress) -> Result<()> {
        let is_new = row.progress.is_empty();
        let row = Move {
            state: State::Erased.word().to_owned(),
            due_ts: self.clock.now_ms(),
            attempts: 0,
            error: None,
            progress: serde_json::to_string(progress).map_err(Error::internal)?,
            ..row.clone()
        };
        if is_new {
            rows::insert(batch, &row);
        } else {
            rows::update(batch, &row);
        }
        Ok(())
    }

    /// Has a room here be what it is in another cell; gives how many events came.
    pub async fn catch_up_room(&self, peer: &ServerName, room_id: &RoomId, ends: &[OwnedEventId]) -> Result<usize> {
        let room: Arc<Room> = self.turner.rooms.get(room_id).await?;
        self.arrivals()?.ingest.catch_up(&room, peer, ends).await
    }

    /// Whether there is a copy of a room.
    pub async fn has_room(&self, room_id: &RoomId) -> Result<bool> {
        Ok(self.turner.rooms.num(room_id).await?.is_some())
    }

    /// Fetches a room of which there is no copy here; gives how many events came.
    pub async fn fetch_room(&self, link: &InnerLink, cell: &CellName, room_id: &RoomId) -> Result<usize> {
        let (mut after, mut events) = (None, 0);
        loop {
            let question = PartQuestion { room_id: room_id.to_owned(), after };
            let answer = link.ask_json_within(cell, crate::restore::messages::ROOM, &question, peers::LARGE).await;
            let answer: PartAnswer = answer.map_err(Error::internal)?;
            let Some((part, last)) = answer.part else { return Ok(events) };
            if part.room_id != *room_id || after.is_some_and(|after| last <= after) {
                return Err(Error::internal("another cell gave a part of a room that was not asked for"));
            }
            after = Some(last);
            events += self.arrivals()?.take_part(part).await?.events;
        }
    }

    /// Takes somebody in whose vault the cell that they left has kept; whether they are here by it.
    pub async fn take_kept(&self, link: &InnerLink, origin: &CellName, kept: Kept) -> Result<bool> {
        let arrivals = self.arrivals()?;
        let cells = arrivals.cells()?;
        let tickets = cells.names.of_own(std::slice::from_ref(&kept.user_id)).await?;
        let home = cells.tickets.check(tickets.clone())?.and_then(|history| history.home());
        if home.as_ref() != Some(cells.own.name()) || self.has_vault(&kept.user_id).await? {
            return Ok(false);
        }
        let which = Which { move_id: kept.move_id.clone(), file: None, after: 0 };
        let Some((sealed, _)) = ask_sealed(link, origin, VAULT, &which).await? else { return Ok(false) };
        let text = cells.own.opened(&sealed).map_err(Error::internal)?;
        let content: Content = serde_json::from_slice(&text).map_err(Error::internal)?;
        let about = About { move_id: kept.move_id.clone(), user_id: kept.user_id.clone() };
        let user_num = self.users.num_of_returning(&kept.user_id).await?;
        arrivals.vaults.keystore.create(user_num).await?;
        let row = arrivals.kept_row(origin, &about, &content)?;
        let mut batch = Batch::new();
        arrivals::forget_media(&mut batch, about.user_id.as_str());
        arrivals::set(&mut batch, &Arrival { state: COMING.to_owned(), ..row.clone() });
        self.store.write(batch).await?;
        for (media_id, hash) in keep::files(&content.bundle) {
            self.take_kept_file((link, origin), (user_num, &about), &content, (&media_id, hash)).await?;
        }
        let mut batch = Batch::new();
        arrivals::set(&mut batch, &row);
        self.store.write(batch).await?;
        arrivals.take_home(Home { about, tickets }).await?;
        if kept.settled {
            let mut batch = Batch::new();
            let (user_id, move_id) = (kept.user_id.as_str(), kept.move_id.as_str());
            arrivals::settle(&mut batch, user_id, move_id, origin.as_str(), SETTLED);
            self.store.write(batch).await?;
        }
        Ok(true)
    }

    async fn has_vault(&self, user_id: &OwnedUserId) -> Result<bool> {
        let wanted = user_id.to_string();
        let row = self.store.read(move |snapshot| async move { users::by_id(&snapshot, &wanted).await }).await?;
        Ok(row.is_some_and(|row| row.is_local))
    }

    async fn take_kept_file(
        &self,
        (link, origin): (&InnerLink, &CellName),
        (user_num, about): (UserNum, &About),
        content: &Content,
        (media_id, hash): (&str, Bytes),
    ) -> Result<()> {
        let file = Some(domicile_store::walk::rows::hex(&hash));
        let (arrivals, leaving) = (self.arrivals()?, self.leaving()?);
        let mut which = Which { move_id: about.move_id.clone(), file, after: 0 };
        let id = BlobId::from_bytes(&hash)?;
        loop {
            let Some((sealed, has_more)) = ask_sealed(link, origin, FILE, &which).await? else {
                tracing::warn!(media_id, "a file of somebody who comes back is not kept any more");
                return Ok(());
            };
            let (after, bytes) = (which.after, sealed.len() as u64);
            leaving.files.put_visiting_part(id, after, sealed).await.map_err(Error::internal)?;
            which.after += bytes;
            if !has_more || bytes == 0 {
                break;
            }
        }
        let secret =
            content.secret().ok_or_else(|| Error::internal("a vault was kept without the key of its files"))?;
        let key = arrivals.vaults.keystore.revealed(&secret);
        let mut reader = leaving.files.visiting(id, &key).await.map_err(Error::internal)?;
        let mut blob = arrivals.blobs.take_over(user_num).await?;
        while let Some(piece) = reader.next().await.map_err(Error::internal)? {
            blob.write(piece).await?;
        }
        let stored = blob.finish().await?;
        let mut batch = Batch::new();
        arrivals::put_media(&mut batch, about.user_id.as_str(), media_id, stored.hash);
        self.store.write(batch).await?;
        Ok(())
    }
}

impl Arrivals {
    /// The row of somebody whose vault was kept, as if their old home had just brought it.
    fn kept_row(&self, origin: &CellName, about: &About, content: &Content) -> Result<Arrival> {
        let text = serde_json::to_vec(&content.bundle).map_err(Error::internal)?;
        Ok(Arrival {
            user_id: about.user_id.to_string(),
            move_id: about.move_id.clone(),
            origin: origin.as_str().to_owned(),
            state: CONFIRMED_STATE.to_owned(),
            changed_ts: self.clock.now_ms(),
            digest: Some(content.bundle.digest()?),
            sealed: Some(self.vaults.keystore.cell_key().seal(SEALED, &text)?),
            receipt: None,
        })
    }
}

/// What another cell keeps, sealed, and whether there is more of it.
async fn ask_sealed(link: &InnerLink, cell: &CellName, path: &str, which: &Which) -> Result<Option<(Vec<u8>, bool)>> {
    let answer: SealedAnswer = link.ask_json_within(cell, path, which, peers::LARGE).await.map_err(Error::internal)?;
    let Some(sealed) = answer.sealed else { return Ok(None) };
    let sealed = BASE64_STANDARD_NO_PAD.decode(sealed).map_err(Error::internal)?;
    Ok(Some((sealed, answer.has_more)))
}
