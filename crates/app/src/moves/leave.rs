//! Somebody goes: the steps of a move at the cell that they leave. Each ends with a write that says which is next, and can be done again.
//!
//! Until the state is `handed_over` the person's home is here, whatever happens; from then on it is not, and the new home has the vault on disk.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use domicile_core::{
    clock::{Clock, DAY_MS},
    ids::{RoomNum, UserNum},
    locality::CellName,
    rng::Rng,
};
use domicile_store::{
    Batch, Blobs as Files,
    table::{moves as rows, moves::Move, outgoing_edus, portable, tokens, users},
};
use ruma::OwnedRoomId;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::to_raw_value;

use super::{
    bring::{Bringing, Brought},
    bundle::{Acquaintance, Bundle, Vaults},
    copies::{Copies, Traveller},
    departures::Departures,
    messages::{About, Arrived, BEGIN, Begin, Begun, CANCEL, Confirmed, Done, HOME, Home, VAULT, Vault},
    progress::{Forbidden, Progress, State, of_row},
    rules::{Rules, has_left, is_joined},
    turn::Turner,
};
use crate::{
    Error, Result,
    accounts::{Devices, Session, Sessions, sessions::TokenHash},
    error::forbidden,
    events::wake::Wakers,
    federation::{Bounds, PeerError},
    media::Blobs,
    residency::{Cells, InnerLink},
    sync::frontier::Frontier,
};

/// How long requests that have begun may take to end before somebody's vault is read, and what they sent to reach others.
const ENDING: Duration = Duration::from_millis(900);
/// How often it is looked.
const LOOK: Duration = Duration::from_millis(5);
/// How long it is waited for the next sign that the other cell is being told what is said, before it is brought: while the person goes on, and while
/// their requests wait.
const PATIENCE: Duration = Duration::from_secs(3);
const PATIENCE_FROZEN: Duration = Duration::from_millis(150);
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
        match state {
            State::Announced => self.write(row, State::Copying, &progress).await,
            State::Copying => self.copy(row, progress, &traveller).await,
            State::HandedOver => self.issue(row, progress).await,
            State::Issued => self.turn(row, progress, &traveller).await,
            State::Left => self.erase(row, progress, &traveller).await,
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
        Ok(Move { revision: row.revision + 1, ..row })
    }

    fn changed(&self, row: Move, state: State, progress: &Progress) -> Result<Move> {
        let now_ms = self.clock.now_ms();
        let progress = serde_json::to_string(&progress.kept_in(state)).map_err(Error::internal)?;
        let ended_ts = state.is_over().then_some(now_ms);
        let state = state.word().to_owned();
        Ok(Move { state, progress, ended_ts, attempts: 0, error: None, due_ts: now_ms, ..row })
    }

    /// Brings rooms and files, then the vault, and lets the person go.
    async fn copy(&self, row: Move, mut progress: Progress, traveller: &Traveller) -> Result<Move> {
        let user_num = traveller.user_num;
        if let Some(why) = self.rules.barred(&traveller.to, user_num).await? {
            return self.refuse(row, progress, traveller, why).await;
        }
        let mut all = self.rooms_of(user_num).await?;
        progress.forbidden_rooms = self.rules.forbidden(&traveller.to, user_num, &all).await?;
        if !progress.forbidden_rooms.is_empty() {
            if progress.forbidden == Forbidden::Refuse {
                let why = format!(
                    "the rules do not let {} be in {} of their rooms from there: `domicile move --dry-run` lists them, and with `--forbidden leave` they are left",
                    traveller.about.user_id,
                    progress.forbidden_rooms.len()
                );
                return self.refuse(row, progress, traveller, why).await;
            }
            self.rules.leave(user_num, &traveller.about.user_id, &progress.forbidden_rooms).await?;
        }
        if self.rules.leave_notices(user_num, &traveller.about.user_id).await? || !progress.forbidden_rooms.is_empty() {
            all = self.rooms_of(user_num).await?;
        }
        let left = self.rules.left(&traveller.to, (user_num, &traveller.about.user_id), &all).await?;
        progress.kept_rooms = left.kept;
        let named = |rooms: &[portable::RoomOf]| {
            let ids = rooms.iter().map(|room| OwnedRoomId::try_from(room.room_id.as_str()).map_err(Error::internal));
            ids.collect::<Result<Vec<OwnedRoomId>>>()
        };
        let left_ids = named(&left.coming)?;
        let coming: Vec<portable::RoomOf> = all.into_iter().filter(is_joined).chain(left.coming).collect();
        let tickets = self.cells()?.tickets.get(&traveller.about.user_id);
        let tickets = tickets.map(|history| history.tickets().to_vec()).unwrap_or_default();
        let rooms = named(&coming)?;
        let ids: Vec<(OwnedRoomId, RoomNum)> =
            rooms.iter().cloned().zip(coming.iter().map(|room| room.room_num)).collect();
        progress.rooms.of = ids.len() as u64;
        let begin = Begin { about: traveller.about.clone(), tickets, rooms, left: left_ids };
        let begun: Begun = self.ask(&traveller.to, BEGIN, &begin).await?;
        let mut brought = self.bring_rooms(&mut progress, traveller, &coming, &begun).await?;
        self.complete_rooms(&mut progress, traveller, &ids).await?;
        // They are opened before requests wait: with what they end goes along.
        for (_, room_num) in &ids {
            self.turner.rooms.by_num(*room_num).await?;
        }
        self.bring_media(&mut progress, traveller, &begun).await?;
        // While the person goes on; what comes after it is brought while their requests wait.
        self.bring_news(traveller, &mut brought, PATIENCE).await?;
        self.hand_over(row, progress, traveller, brought).await
    }

    pub(super) async fn rooms_of(&self, user_num: UserNum) -> Result<Vec<portable::RoomOf>> {
        let store = &self.turner.store;
        Ok(store.read(move |snapshot| async move { portable::rooms_of(&snapshot, user_num).await }).await?)
    }

    /// Ends a move that the rules do not let be.
    async fn refuse(&self, row: Move, progress: Progress, traveller: &Traveller, why: String) -> Result<Move> {
        self.cancel(&traveller.to, &traveller.about).await;
        let row = Move { error: Some(why), ..self.changed(row, State::Stopped, &progress)? };
        let mut batch = Batch::new();
        rows::update(&mut batch, &row);
        self.turner.store.write(batch).await?;
        Ok(row)
    }

    /// Tells the new home that somebody does not come. If it does not hear of it, it forgets them in its own time.
    pub(super) async fn cancel(&self, to: &CellName, about: &About) {
        if let Err(error) = self.ask::<Done>(to, CANCEL, about).await {
            tracing::info!(%error, "another cell could not be told that somebody does not move there");
        }
    }

    /// Lets requests wait, reads the vault, has the new home confirm it, and writes that the person is let go.
    async fn hand_over(&self, row: Move, progress: Progress, traveller: &Traveller, brought: Brought) -> Result<Move> {
        let began = tokio::time::Instant::now();
        // First of all, nothing new is opened for them; then what there is waits.
        self.departures.begin(traveller.user_num, &[]);
        let handed = async {
            let hashes = self.hashes(traveller.user_num).await?;
            self.departures.begin(traveller.user_num, &hashes);
            self.hand_over_frozen(row, progress, traveller, (&hashes, brought)).await
        }
        .await;
        match &handed {
            Ok(_) => tracing::debug!(ms = began.elapsed().as_millis(), "a vault was handed over"),
            Err(_) => self.departures.end(traveller.user_num),
        }
        handed
    }

    async fn hand_over_frozen(
        &self,
        row: Move,
        mut progress: Progress,
        traveller: &Traveller,
        (hashes, mut brought): (&[TokenHash], Brought),
    ) -> Result<Move> {
        let user_num = traveller.user_num;
        progress.frozen_ts = Some(self.clock.now_ms());
        self.let_requests_end(user_num).await?;
        // What they wanted until a moment ago counts, too.
        if let Some(why) = self.rules.barred(&traveller.to, user_num).await? {
            return Err(forbidden(why));
        }
        // Their last events come first: a request of theirs that is repeated at the new home is known there by the event that it made.
        let rooms = self.bring_news(traveller, &mut brought, PATIENCE_FROZEN).await?;
        self.devices.write_uses(Some(user_num)).await?;
        let store = &self.turner.store;
        progress.read_at = store.read(|snapshot| async move { snapshot.head().await }).await?.0;
        let bundle = self.vault(traveller, progress.read_at, &rooms).await?;
        let (digest, sums) = (bundle.digest()?, bundle.sums()?);
        let vault = Vault { about: traveller.about.clone(), bundle, digest: digest.clone() };
        // Before anything is written that cannot be taken back: it takes a moment.
        let mut batch = Batch::new();
        self.keep(&mut batch, traveller, &vault.bundle).await?;
        let confirmed: Confirmed = self.ask_large(&traveller.to, VAULT, &vault).await?;
        if confirmed.digest != digest || confirmed.sums != sums {
            return Err(Error::internal("the other cell confirmed another vault than the one that was sent"));
        }
        let until_ts = self.clock.now_ms().saturating_add(progress.address_days.saturating_mul(DAY_MS));
        Departures::write(&mut batch, hashes, &traveller.to, until_ts);
        progress.confirmed = Some(confirmed);
        progress.let_go = Some(self.cells()?.names.let_go(&traveller.about.user_id, &traveller.to)?);
        let row = Move { until_ts: Some(until_ts), ..row };
        self.write_with(row, State::HandedOver, &progress, batch).await
    }

    pub(super) async fn hashes(&self, user_num: UserNum) -> Result<Vec<TokenHash>> {
        let store = &self.turner.store;
        let read = store.read(move |snapshot| async move { tokens::hashes_of_user(&snapshot, user_num).await });
        Ok(read.await?.iter().filter_map(|hash| TokenHash::try_from(&hash[..]).ok()).collect())
    }

    /// Waits for requests that have begun, and for what the person has sent to other cells' devices.
    async fn let_requests_end(&self, user_num: UserNum) -> Result<()> {
        let sessions: Vec<Weak<Session>> = self.sessions.let_go(user_num);
        let deadline = tokio::time::Instant::now() + ENDING;
        loop {
            self.wakers.wake(user_num);
            let store = &self.turner.store;
            let read = store.read(move |snapshot| async move { outgoing_edus::any_of_user(&snapshot, user_num).await });
            let is_busy = sessions.iter().any(|session| session.strong_count() > 0);
            if !is_busy && !read.await? {
                return Ok(());
            }
            if tokio::time::Instant::now() >= deadline {
                let what =
                    if is_busy { "requests of theirs do not end" } else { "messages of theirs are still on their way" };
                return Err(Error::internal(what));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// All that goes with somebody.
    async fn vault(&self, traveller: &Traveller, head: i64, rooms: &[portable::RoomOf]) -> Result<Bundle> {
        let mut bundle = Bundle { head, ..self.vaults.read(traveller.user_num).await? };
        let mut frontiers = Vec::new();
        for room in rooms {
            let room_id = OwnedRoomId::try_from(room.room_id.as_str()).map_err(Error::internal)?;
            if is_joined(room) {
                let view = self.turner.rooms.by_num(room.room_num).await?.view();
                frontiers.push(Frontier::of(&room_id, &view));
                continue;
            }
            if has_left(room) {
                frontiers.push(Frontier::of_left(room_id, room.position));
            }
            let shown = self.rules.shown(traveller, room).await?;
            bundle.acquaintances.push(Acquaintance {
                room_id: room.room_id.clone(),
                version: room.version.clone(),
                membership: room.membership.clone(),
                forgotten: room.forgotten,
                shown,
            });
        }
        Frontier::bound(&mut frontiers);
        bundle.frontiers = Some(to_raw_value(&frontiers).map_err(Error::internal)?);
        Ok(bundle)
    }

    /// Asks the directory for the next epoch.
    async fn issue(&self, row: Move, mut progress: Progress) -> Result<Move> {
        let let_go = progress.let_go.clone().ok_or_else(|| Error::internal("somebody was let go without a word"))?;
        progress.tickets = self.cells()?.names.transfer(&let_go).await?;
        self.write(row, State::Issued, &progress).await
    }

    /// Has the new home serve the person, and then sends them there.
    async fn turn(&self, row: Move, mut progress: Progress, traveller: &Traveller) -> Result<Move> {
        let home = Home { about: traveller.about.clone(), tickets: progress.tickets.clone() };
        let arrived: Arrived = self.ask_large(&traveller.to, HOME, &home).await?;
        progress.arrived = Some(arrived);
        progress.frozen_ms = progress.frozen_ts.map(|since| self.clock.now_ms() - since);
        let own = self.cells()?.own.name().clone();
        let cells = self.turner.cells_of(traveller.user_num).await?;
        progress.untold = cells
            .iter()
            .filter(|cell| **cell != traveller.to && **cell != own)
            .map(|cell| cell.as_str().to_owned())
            .collect();
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
        self.sessions.forget(|session| session.user_num == traveller.user_num);
        self.departures.end_left(traveller.user_num, &hashes, (&traveller.to, until_ts));
        Ok(Move { revision: row.revision + 1, ..row })
    }

    pub(super) async fn ask<A: DeserializeOwned>(
        &self,
        cell: &CellName,
        path: &str,
        body: &impl Serialize,
    ) -> Result<A> {
        self.link.ask_json(cell, path, body).await.map_err(|error| told(&error))
    }

    pub(super) async fn ask_large<Q: Serialize, A: DeserializeOwned>(
        &self,
        cell: &CellName,
        path: &str,
        body: &Q,
    ) -> Result<A> {
        self.link.ask_json_within(cell, path, body, LARGE).await.map_err(|error| told(&error))
    }
}

/// What the operator is told of a step that failed.
pub(super) fn told(error: &PeerError) -> Error {
    Error::internal(format!("the other cell could not be asked: {error}"))
}
