//! The moment in which somebody is let go: their requests wait, what is left comes along, the vault is handed over, and the row says so.

use std::{sync::Weak, time::Duration};

use domicile_core::{clock::DAY_MS, ids::UserNum};
use domicile_store::{
    Batch,
    table::{moves as rows, moves::Move, outgoing_edus, portable},
};
use serde_json::value::to_raw_value;

use super::{
    bring::Brought,
    bundle::{Acquaintance, Bundle},
    copies::Traveller,
    departures::Departures,
    gather::{Bound, Gathered, room_id},
    leave::Leaving,
    messages::{Confirmed, VAULT, Vault},
    progress::{Progress, State},
    rules::{has_left, is_joined},
    steps,
};
use crate::{Error, Result, accounts::Session, error::forbidden, sync::frontier::Frontier};

/// How long requests that have begun may take to end before somebody's vault is read, and what they sent to reach others.
const ENDING: Duration = Duration::from_millis(900);
/// How often it is looked.
const LOOK: Duration = Duration::from_millis(5);
/// How long it is waited for the next sign that the other cell is being told what is said, before it is brought.
const PATIENCE: Duration = Duration::from_millis(150);
/// How often it is tried to find out whether somebody was let go.
const TRIES: usize = 3;

/// What became of an attempt to let somebody go.
#[derive(Debug)]
pub(super) enum Handed {
    /// They were.
    Over(Box<Move>),
    /// They go on, with why: what is missing is to be brought first.
    NotYet(String),
}

/// What has to be so for somebody to be let go.
enum Ready {
    /// The new home has the vault and all that it names; what else is written with the row.
    Ready(Batch),
    /// Something is missing.
    NotYet(String),
}

impl Leaving {
    /// Lets requests wait, reads the vault, has the new home confirm it, and writes that the person is let go. Where that takes longer than the patience,
    /// or something is missing, they go on.
    pub(super) async fn hand_over(
        &self,
        row: &mut Move,
        progress: &mut Progress,
        traveller: &Traveller,
        (brought, patience): (&mut Brought, Duration),
    ) -> Result<Handed> {
        let (user_num, began) = (traveller.user_num, tokio::time::Instant::now());
        // First of all, nothing new is opened for them; then what there is waits.
        self.departures.begin(user_num, &[]);
        let ready = async {
            let hashes = self.hashes(user_num).await?;
            self.departures.begin(user_num, &hashes);
            steps::happened("requests of whoever moves wait");
            let ready = Box::pin(self.make_ready(row, progress, traveller, brought));
            let late = || {
                let text = format!("their vault was not there within {} seconds", patience.as_secs());
                Ok(Ready::NotYet(text))
            };
            let ready = tokio::time::timeout(patience, ready).await.unwrap_or_else(|_| late())?;
            Ok::<_, Error>((ready, hashes))
        }
        .await;
        let (mut batch, hashes) = match ready {
            Ok((Ready::Ready(batch), hashes)) => (batch, hashes),
            Ok((Ready::NotYet(why), _)) => {
                self.departures.end(user_num);
                return Ok(Handed::NotYet(why));
            }
            Err(error) => {
                self.departures.end(user_num);
                return Err(error);
            }
        };
        let until_ts = self.clock.now_ms().saturating_add(progress.address_days.saturating_mul(DAY_MS));
        Departures::write(&mut batch, &hashes, &traveller.to, until_ts);
        let going = Move { until_ts: Some(until_ts), ..row.clone() };
        match self.write_with(going, State::HandedOver, progress, batch).await {
            Ok(row) => {
                tracing::debug!(ms = began.elapsed().as_millis(), "a vault was handed over");
                Ok(Handed::Over(Box::new(row)))
            }
            Err(error) => {
                self.let_stay(&row.move_id, user_num).await;
                Err(error)
            }
        }
    }

    /// Lets requests go on after a write of which it is not known whether it was made: not before it is clear that it was not, and will not be.
    async fn let_stay(&self, move_id: &str, user_num: UserNum) {
        for _ in 0..TRIES {
            let (store, wanted) = (&self.turner.store, move_id.to_owned());
            let read = store.read(move |snapshot| async move { rows::by_id(&snapshot, &wanted).await }).await;
            let row = match read {
                Ok(Some(row))
                    if State::parse(&row.state).is_some_and(|state| !state.can_stop() && !state.is_over()) =>
                {
                    return;
                }
                Ok(Some(row)) if row.ended_ts.is_none() => row,
                Ok(_) => return self.departures.end(user_num),
                Err(_) => continue,
            };
            // It has another revision from now on: a write that is still on its way there finds that it comes too late.
            let mut batch = Batch::new();
            rows::update(&mut batch, &row);
            if store.write(batch).await.is_ok() {
                return self.departures.end(user_num);
            }
        }
        tracing::warn!(move_id, "it cannot be read whether somebody was let go: their requests wait until it can");
    }

    /// Has the new home confirm the vault, and that it has all that the vault names.
    async fn make_ready(
        &self,
        row: &mut Move,
        progress: &mut Progress,
        traveller: &Traveller,
        brought: &mut Brought,
    ) -> Result<Ready> {
        let user_num = traveller.user_num;
        progress.frozen_ts = Some(self.clock.now_ms());
        self.let_requests_end(user_num).await?;
        // What an operator does to them from now on is no part of the vault: then the row is another one, and they are not let go.
        let (store, wanted) = (&self.turner.store, row.move_id.clone());
        let read = store.read(move |snapshot| async move { rows::by_id(&snapshot, &wanted).await });
        let current = read.await?.filter(|row| row.state == State::Copying.word());
        *row = current.ok_or_else(|| Error::internal("the move was stopped meanwhile"))?;
        // What they wanted until a moment ago counts, too.
        if let Some(why) = self.rules.barred(&traveller.to, user_num).await? {
            return Err(forbidden(why));
        }
        match self.gather(progress, traveller, brought, Bound::Frozen).await? {
            Gathered::All => {}
            Gathered::TooMuch => {
                return Ok(Ready::NotYet("they have begun more than comes along in a moment".to_owned()));
            }
            // The next round says so, and ends the move.
            Gathered::Refused(why) => return Ok(Ready::NotYet(why)),
        }
        // Their last events come first: a request of theirs that is repeated at the new home is known there by the event that it made.
        let rooms = self.bring_news(traveller, brought, PATIENCE).await?;
        self.devices.write_uses(Some(user_num)).await?;
        progress.read_at = store.read(|snapshot| async move { snapshot.head().await }).await?.0;
        let bundle = self.vault(traveller, progress.read_at, &rooms).await?;
        let (digest, sums) = (bundle.digest()?, bundle.sums()?);
        let vault = Vault { about: traveller.about.clone(), bundle, digest: digest.clone() };
        // Before anything is written that cannot be taken back: it takes a moment.
        let mut batch = Batch::new();
        self.keep(&mut batch, traveller, &vault.bundle).await?;
        let mut confirmed: Confirmed = self.ask_large(&traveller.to, VAULT, &vault).await?;
        if confirmed.digest != digest || confirmed.sums != sums {
            return Err(Error::internal("the other cell confirmed another vault than the one that was sent"));
        }
        let absent = std::mem::take(&mut confirmed.absent).without(&progress.lost_files);
        if !absent.is_empty() {
            let why = format!("their new home lacks {absent}");
            brought.lack(&absent, &rooms);
            return Ok(Ready::NotYet(why));
        }
        progress.confirmed = Some(confirmed);
        progress.let_go = Some(self.cells()?.names.let_go(&traveller.about.user_id, &traveller.to)?);
        Ok(Ready::Ready(batch))
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
            let room_id = room_id(room)?;
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
}
