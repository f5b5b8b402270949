//! Doing what is due: several moves at once, each step after the other, and again what failed.

use std::{sync::Arc, time::Duration};

use domicile_core::clock::{DAY_MS, HOUR_MS};
use domicile_store::{
    Batch,
    table::moves::{self as rows, Move},
};
use ruma::UserId;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{
    Moves,
    progress::{Shown, State},
};
use crate::{Error, Result, error::not_found};

/// Moves that are worked on at once.
const AT_ONCE: usize = 8;
/// How often it is looked for what is due, if nobody rings.
const LOOK: Duration = Duration::from_secs(1);
/// How long a step that failed waits, at first and at most, in milliseconds.
const PAUSE_MS: i64 = 500;
const LONGEST_PAUSE_MS: i64 = 60_000;
/// How long it is known that somebody has moved, or that their move was stopped.
const KNOWN_MS: i64 = 400 * DAY_MS;

impl Moves {
    /// Does what is due until the server stops.
    pub async fn run(self: Arc<Self>, stopping: CancellationToken) {
        if self.leaving.is_none() {
            return;
        }
        let (mut working, mut forgotten_ms) = (JoinSet::new(), 0);
        loop {
            if let Err(error) = self.catch_up().await {
                tracing::warn!(%error, "what others tell of people who have moved could not be followed");
            }
            if forgotten_ms + HOUR_MS <= self.clock.now_ms() {
                forgotten_ms = self.clock.now_ms();
                if let Err(error) = self.forget().await {
                    tracing::warn!(%error, "those who moved away long ago could not be forgotten");
                }
            }
            match self.due().await {
                Ok(due) => {
                    for move_id in due {
                        let this = Arc::clone(&self);
                        working.spawn(async move { this.work(&move_id).await });
                    }
                }
                Err(error) if error.is_closed() => return,
                Err(error) => tracing::warn!(%error, "the moves could not be read"),
            }
            tokio::select! {
                () = stopping.cancelled() => return,
                () = self.poke.notified() => {}
                Some(_) = working.join_next() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Does all that is due now, and what follows from it, in this task. For tests and for a command without a server.
    pub async fn run_due(&self) -> Result<usize> {
        self.catch_up().await?;
        self.forget().await?;
        let due = self.due().await?;
        let count = due.len();
        for move_id in due {
            self.work(&move_id).await;
        }
        Ok(count)
    }

    /// Forgets those whose old address ended some time ago, and moves that were over long ago.
    async fn forget(&self) -> Result<()> {
        self.departures.forget().await?;
        let before_ms = self.clock.now_ms() - KNOWN_MS;
        if self.store.read(move |snapshot| async move { rows::any_ended(&snapshot, before_ms).await }).await? {
            let mut batch = Batch::new();
            rows::remove_ended(&mut batch, before_ms);
            self.store.write(batch).await?;
        }
        Ok(())
    }

    /// Follows what others tell of people who have moved, and tells those who do not know.
    async fn catch_up(&self) -> Result<()> {
        self.turner.catch_up().await?;
        if let Some(leaving) = &self.leaving {
            leaving.tell_stale().await?;
            leaving.cancel_again().await?;
        }
        match &self.arrivals {
            Some(arrivals) => arrivals.ask_about_waiting().await,
            None => Ok(()),
        }
    }

    /// Does one step of somebody's move, whether it is due or not, and no more. For tests of what happens between two.
    pub async fn step_of(&self, user_id: &UserId) -> Result<Shown> {
        let wanted = user_id.to_string();
        let row = self.store.read(move |snapshot| async move { rows::open_of(&snapshot, &wanted).await }).await?;
        let row = row.ok_or_else(|| not_found(format!("{user_id} is not on the way to anywhere.")))?;
        let row = self.step(row).await?;
        self.shown(row)
    }

    /// Holds all moves up in the moment before requests of their people wait. For tests of what begins meanwhile.
    pub async fn hold(&self) -> Result<tokio::sync::OwnedMutexGuard<()>> {
        let leaving = self.leaving.as_ref().ok_or_else(|| Error::internal("this server is no cell of a deployment"))?;
        Ok(Arc::clone(&leaving.gate).lock_owned().await)
    }

    /// Moves whose next step is due, as many as can be worked on.
    async fn due(&self) -> Result<Vec<String>> {
        let now_ms = self.clock.now_ms();
        let limit = AT_ONCE.saturating_sub(self.in_work.lock().len());
        if limit == 0 {
            return Ok(Vec::new());
        }
        // Those that are being worked on are due, too.
        let asked = i64::try_from(AT_ONCE * 2).unwrap_or(i64::MAX);
        let due = self.store.read(move |snapshot| async move { rows::due(&snapshot, now_ms, asked).await }).await?;
        let mut in_work = self.in_work.lock();
        let ids = due.into_iter().map(|row| row.move_id);
        let free = ids.filter(|move_id| !in_work.contains(move_id)).take(limit).collect::<Vec<_>>();
        in_work.extend(free.iter().cloned());
        Ok(free)
    }

    /// Works on a move until it is over, waits or fails.
    async fn work(&self, move_id: &str) {
        if let Err(error) = self.work_on(move_id).await {
            self.put_off(move_id, &error).await;
        }
        self.live.forget(move_id);
        self.in_work.lock().remove(move_id);
    }

    async fn work_on(&self, move_id: &str) -> Result<()> {
        // Read now that nobody else works on it: between the look at what is due and this, somebody may have come to its end.
        let wanted = move_id.to_owned();
        let read = self.store.read(move |snapshot| async move { rows::by_id(&snapshot, &wanted).await });
        let Some(mut row) = read.await?.filter(|row| row.ended_ts.is_none() && row.due_ts <= self.clock.now_ms())
        else {
            return Ok(());
        };
        loop {
            let before = row.state.clone();
            row = self.step(row).await?;
            if row.state == before || row.ended_ts.is_some() {
                return Ok(());
            }
        }
    }

    async fn step(&self, row: Move) -> Result<Move> {
        let leaving = self.leaving.as_ref().ok_or_else(|| Error::internal("this server is no cell of a deployment"))?;
        let span = tracing::debug_span!("move", move_id = row.move_id);
        leaving.step(row).instrument(span).await
    }

    /// Somebody stopped a move in the middle of a step: what that brought after the new home was told is forgotten there, too.
    async fn forgotten(&self, row: Move) -> Result<()> {
        match &self.leaving {
            Some(leaving) if row.state == State::Stopped.word() => leaving.cancel(&row).await,
            _ => Ok(()),
        }
    }

    /// Notes that a step failed, and when it is tried again.
    async fn put_off(&self, move_id: &str, error: &Error) {
        tracing::warn!(%error, move_id, "a step of a move failed and is tried again");
        let wanted = move_id.to_owned();
        let noting = async {
            let row = self.store.read(move |snapshot| async move { rows::by_id(&snapshot, &wanted).await }).await?;
            let Some(row) = row else { return Ok(()) };
            if row.ended_ts.is_some() {
                return self.forgotten(row).await;
            }
            let pause = PAUSE_MS.saturating_mul(1_i64 << row.attempts.clamp(0, 20)).min(LONGEST_PAUSE_MS);
            let row = Move {
                attempts: row.attempts + 1,
                error: Some(words(error, &row.state)),
                due_ts: self.clock.now_ms() + pause,
                ..row
            };
            let mut batch = Batch::new();
            rows::update(&mut batch, &row);
            self.store.write(batch).await.map(drop).map_err(Error::from)
        };
        if let Err(error) = noting.await {
            tracing::warn!(%error, move_id, "a failure of a move could not be written down");
        }
    }
}

/// What the operator is told of a step that failed.
fn words(error: &Error, state: &str) -> String {
    let what = match error {
        error if error.is_full() => {
            "the disk of this cell is full: make room on it, and this goes on by itself".to_owned()
        }
        error => error.to_string(),
    };
    // In these neither cell serves them.
    let is_between = [State::HandedOver, State::Issued].iter().any(|between| between.word() == state);
    if is_between { format!("{what}. Until then nobody serves them: their apps are told to wait") } else { what }
}
