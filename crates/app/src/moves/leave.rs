//! Somebody goes: the steps of a move at the cell that they leave. Each ends with a write that says which is next, and can be done again.
//!
//! Until the state is `handed_over` the person's home is here, whatever happens; from then on it is not, and the new home has the vault on disk.

use std::{sync::Arc, time::Duration};

use domicile_core::{clock::Clock, error::ErrorKind, ids::UserNum, locality::CellName, rng::Rng};
use domicile_store::{
    Batch, Blobs as Files,
    table::{moves as rows, moves::Move, portable, tokens, users},
};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    bring::{Bringing, Brought},
    bundle::Vaults,
    copies::{Copies, Traveller},
    departures::Departures,
    gather::{Bound, Gathered},
    hand_over::Handed,
    messages::{About, Arrived, HOME, Home},
    progress::{Count, Progress, State, of_row},
    rules::Rules,
    steps,
    turn::Turner,
};
use crate::{
    Error, Result,
    accounts::{Devices, Sessions, sessions::TokenHash},
    events::wake::Wakers,
    federation::{Bounds, PeerError},
    media::Blobs,
    residency::{Cells, InnerLink},
};

/// How long it is waited for the next sign that the other cell is being told what is said, before it is brought, while the person goes on.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long bringing may take for nothing of note to have begun meanwhile.
const QUICK: Duration = Duration::from_secs(1);
/// How long somebody's requests may wait until they are let go, at the first try of an attempt, at the second, and so on. What has begun meanwhile is
/// brought between them.
const FROZEN: [Duration; 5] = [
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_mins(1),
    Duration::from_mins(5),
];
/// Files that are read at once.
pub(super) const FILES: i64 = 200;
/// What a large part may cost.
pub(super) const LARGE: Bounds = Bounds { time: Duration::from_mins(5), bytes: 16 * 1024 * 1024 };

/// Lets people go.
pub(super) struct Leaving {
    pub(super) turner: Arc<Turner>,
    pub(super) vaults: Arc<Vaults>,
    pub(super) copies: Arc<Copies>,
    pub(super) departures: Arc<Departures>,
    pub(super) rules: Rules,
    pub(super) link: Arc<InnerLink>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) sessions: Arc<Sessions>,
    pub(super) devices: Arc<Devices>,
    pub(super) wakers: Arc<Wakers>,
    pub(super) blobs: Arc<dyn Blobs>,
    pub(super) files: Files,
    pub(super) live: super::live::Live,
    pub(super) bringing: Bringing,
    /// Held by tests in the moment before requests wait.
    pub(super) gate: Arc<tokio::sync::Mutex<()>>,
    pub(super) rng: Arc<dyn Rng>,
}

impl Leaving {
    pub(super) fn cells(&self) -> Result<&Cells> {
        self.turner.users.localities().among_cells()
    }

    /// Does the next step of a move. Gives the row as it is then.
    pub(super) async fn step(&self, row: Move) -> Result<Move> {
        let (state, progress, user_id) = of_row(&row)?;
        let to = CellName::parse(&row.destination).ok_or_else(|| Error::internal("the destination is no cell"))?;
        let user_num = self.turner.users.num(&user_id).await?;
        let user_num = user_num.ok_or_else(|| Error::internal("somebody who moves has no number"))?;
        let about = About { move_id: row.move_id.clone(), user_id: user_id.clone() };
        let traveller = Traveller { about, user_num, to };
        steps::begins(state);
        match state {
            State::Announced => self.write(row, State::Copying, &progress).await,
            State::Copying => self.copy(row, progress, &traveller).await,
            State::HandedOver | State::Issued => {
                // Whoever was let go waits, also where it was not known whether the write of it was made.
                if !self.departures.has(user_num) {
                    self.departures.begin(user_num, &self.hashes(user_num).await?);
                }
                match state {
                    State::HandedOver => self.issue(row, progress).await,
                    _ => self.turn(row, progress, &traveller).await,
                }
            }
            State::Left => {
                self.note_left(&row, &progress, &traveller).await?;
                self.erase(row, progress, &traveller).await
            }
            State::Erased => self.finish(row, progress, &traveller).await,
            State::Objected | State::Done | State::Stopped => Ok(row),
        }
    }

    /// Writes which step is next.
    pub(super) async fn write(&self, row: Move, state: State, progress: &Progress) -> Result<Move> {
        self.write_with(row, state, progress, Batch::new()).await
    }

    pub(super) async fn write_with(
        &self,
        row: Move,
        state: State,
        progress: &Progress,
        mut batch: Batch,
    ) -> Result<Move> {
        let row = self.changed(row, state, progress)?;
        rows::update(&mut batch, &row);
        self.turner.store.write(batch).await?;
        steps::is_next(state);
        Ok(Move { revision: row.revision + 1, ..row })
    }

    fn changed(&self, row: Move, state: State, progress: &Progress) -> Result<Move> {
        let now_ms = self.clock.now_ms();
        let progress = serde_json::to_string(&progress.kept_in(state)).map_err(Error::internal)?;
        let ended_ts = state.is_over().then_some(now_ms);
        let state = state.word().to_owned();
        Ok(Move { state, progress, ended_ts, attempts: 0, error: None, due_ts: now_ms, ..row })
    }

    /// Brings rooms and files, then the vault, and lets the person go. What they begin meanwhile is brought in another round.
    async fn copy(&self, mut row: Move, mut progress: Progress, traveller: &Traveller) -> Result<Move> {
        let user_num = traveller.user_num;
        if self.departures.has(user_num) {
            // It was not known whether an earlier attempt had let them go. It has not, and after this write it cannot any more.
            let mut batch = Batch::new();
            rows::update(&mut batch, &row);
            self.turner.store.write(batch).await?;
            row.revision += 1;
            self.departures.end(user_num);
        }
        if let Some(why) = self.rules.barred(&traveller.to, user_num).await? {
            return self.refuse(row, progress, why).await;
        }
        progress.forbidden_rooms.clear();
        progress.kept_rooms.clear();
        progress.lost_files.clear();
        progress.rooms = Count::default();
        let (mut brought, mut not_yet) = (Brought::default(), String::new());
        for patience in FROZEN {
            for _ in FROZEN {
                let began = tokio::time::Instant::now();
                if let Gathered::Refused(why) = self.gather(&mut progress, traveller, &mut brought, Bound::None).await?
                {
                    return self.refuse(row, progress, why).await;
                }
                // What began while much was brought is brought before requests wait.
                if began.elapsed() < QUICK {
                    break;
                }
            }
            // While the person goes on; what comes after it is brought while their requests wait.
            self.bring_news(traveller, &mut brought, PATIENCE).await?;
            drop(self.gate.lock().await);
            // Last of all what cannot be taken back: all that comes along is there.
            self.leave_behind(traveller, &mut brought).await?;
            match self.hand_over(&mut row, &mut progress, traveller, (&mut brought, patience)).await? {
                Handed::Over(row) => return Ok(*row),
                Handed::NotYet(why) => {
                    tracing::info!(
                        why,
                        move_id = row.move_id,
                        "somebody is not let go yet: what is missing is brought"
                    );
                    not_yet = why;
                }
            }
        }
        Err(Error::internal(format!("they were not let go in {} rounds, since {not_yet}", FROZEN.len())))
    }

    pub(super) async fn rooms_of(&self, user_num: UserNum) -> Result<Vec<portable::RoomOf>> {
        let store = &self.turner.store;
        Ok(store.read(move |snapshot| async move { portable::rooms_of(&snapshot, user_num).await }).await?)
    }

    /// Ends a move that the rules do not let be.
    async fn refuse(&self, row: Move, progress: Progress, why: String) -> Result<Move> {
        let row = Move { error: Some(why), ..self.changed(row, State::Stopped, &progress)? };
        let mut batch = Batch::new();
        rows::update(&mut batch, &row);
        self.turner.store.write(batch).await?;
        steps::is_next(State::Stopped);
        let row = Move { revision: row.revision + 1, ..row };
        self.cancel(&row).await?;
        Ok(row)
    }

    pub(super) async fn hashes(&self, user_num: UserNum) -> Result<Vec<TokenHash>> {
        let store = &self.turner.store;
        let read = store.read(move |snapshot| async move { tokens::hashes_of_user(&snapshot, user_num).await });
        Ok(read.await?.iter().filter_map(|hash| TokenHash::try_from(&hash[..]).ok()).collect())
    }

    /// Asks the directory for the next epoch.
    async fn issue(&self, row: Move, mut progress: Progress) -> Result<Move> {
        let let_go = progress.let_go.clone().ok_or_else(|| Error::internal("somebody was let go without a word"))?;
        steps::asks("the directory");
        progress.tickets = self.cells()?.names.transfer(&let_go).await?;
        steps::answered("the directory");
        self.write(row, State::Issued, &progress).await
    }

    /// Has the new home serve the person, and then sends them there.
    async fn turn(&self, row: Move, mut progress: Progress, traveller: &Traveller) -> Result<Move> {
        let home = Home { about: traveller.about.clone(), tickets: progress.tickets.clone() };
        let arrived: Arrived = self.ask_large(&traveller.to, HOME, &home).await?;
        progress.arrived = Some(arrived);
        progress.frozen_ms = progress.frozen_ts.map(|since| self.clock.now_ms() - since);
        let own = self.cells()?.own.name().clone();
        let mut told = self.turner.cells_of(traveller.user_num).await?;
        // Those that were their home once, too: they may keep a vault for this cell, which is not to have it from now on.
        told.extend(progress.tickets.iter().filter_map(|ticket| CellName::parse(&ticket.home)));
        // And gateways, which speak for people with whom nobody of theirs shares a room.
        let document = self.cells()?.own.document();
        told.extend(document.cells.keys().filter(|cell| document.is_gateway(cell)).cloned());
        told.retain(|cell| *cell != traveller.to && *cell != own);
        told.sort_unstable();
        told.dedup();
        progress.untold = told.iter().map(|cell| cell.as_str().to_owned()).collect();
        let rooms = self.rooms_of(traveller.user_num).await?;
        progress.left_rooms =
            rooms.iter().filter(|room| room.has_copy).map(|room| (room.room_id.clone(), room.room_num.0)).collect();
        let history = self.cells()?.tickets.check(progress.tickets.clone())?;
        let history = history.ok_or_else(|| Error::internal("the directory gave no ticket"))?;
        let hashes = self.hashes(traveller.user_num).await?;
        let until_ts =
            row.until_ts.ok_or_else(|| Error::internal("somebody who was let go has no end of their old address"))?;
        let row = self.changed(row, State::Left, &progress)?;
        let mut batch = Batch::new();
        rows::update(&mut batch, &row);
        users::leave(&mut batch, traveller.user_num);
        self.turner.turn(&traveller.about.user_id, history, &batch).await?;
        steps::is_next(State::Left);
        self.sessions.forget(|session| session.user_num == traveller.user_num);
        self.departures.end_left(traveller.user_num, &hashes, (&traveller.to, until_ts));
        Ok(Move { revision: row.revision + 1, ..row })
    }

    /// Makes up in memory for the write by which somebody has left, if it was made and this cell was told that it was not.
    async fn note_left(&self, row: &Move, progress: &Progress, traveller: &Traveller) -> Result<()> {
        let user_num = traveller.user_num;
        let Some(until_ts) = row.until_ts.filter(|_| self.departures.has(user_num)) else { return Ok(()) };
        let tickets = &self.cells()?.tickets;
        if let Some(history) = tickets.check(progress.tickets.clone())? {
            tickets.know(&traveller.about.user_id, history);
        }
        for room_num in self.turner.joined(Some(user_num)).await? {
            if let Some(room) = self.turner.rooms.in_memory(room_num) {
                let _writer = room.writer().await;
                self.turner.rooms.reload(&room).await?;
            }
            self.turner.push.forget(room_num);
        }
        let hashes = self.hashes(user_num).await?;
        self.sessions.forget(|session| session.user_num == user_num);
        self.departures.end_left(user_num, &hashes, (&traveller.to, until_ts));
        Ok(())
    }

    pub(super) async fn ask<A: DeserializeOwned>(
        &self,
        cell: &CellName,
        path: &str,
        body: &impl Serialize,
    ) -> Result<A> {
        steps::asks(path);
        let answer = self.link.ask_json(cell, path, body).await.map_err(|error| told(cell, &error))?;
        steps::answered(path);
        Ok(answer)
    }

    pub(super) async fn ask_large<Q: Serialize, A: DeserializeOwned>(
        &self,
        cell: &CellName,
        path: &str,
        body: &Q,
    ) -> Result<A> {
        steps::asks(path);
        let answer = self.link.ask_json_within(cell, path, body, LARGE).await.map_err(|error| told(cell, &error))?;
        steps::answered(path);
        Ok(answer)
    }
}

/// What the operator is told of a step that failed.
pub(super) fn told(cell: &CellName, error: &PeerError) -> Error {
    let cell = cell.as_str();
    Error::internal(match error {
        PeerError::Matrix { status, .. } if *status == ErrorKind::DiskFull.status() => {
            format!("the disk of the other cell, {cell}, is full: make room on it, and this goes on by itself")
        }
        PeerError::Matrix { .. } => format!("the other cell, {cell}, does not do it: {error}"),
        _ => format!("the other cell, {cell}, could not be asked: {error}"),
    })
}
