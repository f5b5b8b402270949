//! Moving house: somebody goes from this cell to another with all that is theirs, and devices stay signed in.
//!
//! `mod` takes orders and `work` does what is due. `leave` (with `gather`, `bring`, `complete`, `hand_over`, `cancel` and `clear`) has the steps at the cell that is left, `arrive` (with
//! `lacking`, `settle`, `take_file` and `take_room`) those at the new home, `groups` are orders for all who live under one law, `coming` what its operator sees of them, and `turn` what every cell does that knows the person. `bundle` (with `contents`) is the vault on
//! its way, `lines` what two cells compare of it, `copies` are the rooms, `departures` whose requests wait or are passed on, and `rescue` is for those whose home is no more. `keep` is what
//! is kept of those who have left, and `restored` what cells do for one that was restored from a backup. `steps` is what the log tells of all that.

mod arrive;
mod bring;
pub mod bundle;
mod cancel;
mod clear;
mod coming;
mod complete;
mod contents;
mod copies;
pub mod departures;
mod gather;
pub mod groups;
mod hand_over;
mod keep;
mod lacking;
mod leave;
pub mod lines;
mod live;
pub mod messages;
mod parts;
mod plan;
mod progress;
mod rescue;
mod restored;
mod rules;
mod settle;
mod steps;
mod take_file;
mod take_room;
mod turn;
mod work;

use std::{collections::BTreeSet, sync::Arc};

use domicile_core::{
    clock::{Clock, DAY_MS},
    error::ErrorKind,
    rng::{self, Rng},
};
use domicile_store::{
    Batch, Store,
    table::moves::{self as rows, Move},
};
use parking_lot::Mutex;
use ruma::{OwnedUserId, UserId};
use tokio::sync::Notify;

use crate::{
    Error, Result,
    accounts::Users,
    error::{forbidden, not_found},
};

pub use arrive::{Arrivals, SETTLED};
pub use coming::{Arriving, Coming, CountedArrivals};
pub use departures::{Departures, Way};
pub use domicile_residency::directory::{Emergency, LetGo};
pub use parts::MovesParts;
pub use plan::{Plan, PlannedRoom, Target};
pub use progress::{Count, Counted, Forbidden, ForbiddenRoom, Progress, Shown, State};

use progress::of_row;

/// Letters of a move's name.
const ID_LENGTH: usize = 12;
/// Moves that one page lists.
const PAGE: i64 = 1_000;
/// Days for which an old address passes requests on, where nobody says otherwise.
pub const ADDRESS_DAYS: i64 = 90;

/// An order to move somebody.
#[derive(Clone, Debug)]
pub struct Order {
    /// Who moves.
    pub user_id: OwnedUserId,
    /// Where to.
    pub to: Target,
    /// Who wants it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Days within which the person may object.
    pub notice_days: i64,
    /// Days for which the old address passes requests on.
    pub address_days: i64,
    /// What becomes of rooms that the rules forbid.
    pub forbidden: Forbidden,
}

/// Moves people.
pub struct Moves {
    store: Store,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    users: Arc<Users>,
    rules: rules::Rules,
    departures: Arc<Departures>,
    turner: Arc<turn::Turner>,
    leaving: Option<Arc<leave::Leaving>>,
    arrivals: Option<Arc<Arrivals>>,
    live: live::Live,
    in_work: Mutex<BTreeSet<String>>,
    poke: Notify,
}

impl Moves {
    /// Lets those who were let go before a restart wait, before the first request is served.
    pub async fn open(&self) -> Result<()> {
        let Some(leaving) = &self.leaving else { return Ok(()) };
        self.departures.load().await?;
        let states = [State::HandedOver.word(), State::Issued.word()];
        let read = self.store.read(move |snapshot| async move { rows::in_states(&snapshot, &states).await });
        for row in read.await? {
            let (_, _, user_id) = of_row(&row)?;
            if let Some(user_num) = self.users.num(&user_id).await? {
                self.departures.begin(user_num, &leaving.hashes(user_num).await?);
            }
        }
        Ok(())
    }

    /// Who comes, for cells that bring them.
    pub fn arrivals(&self) -> Result<&Arc<Arrivals>> {
        self.arrivals.as_ref().ok_or_else(|| not_found("This server is no cell of a deployment."))
    }

    /// Takes an order. Whoever is on the way already cannot be moved a second time.
    pub async fn order(&self, order: Order) -> Result<Shown> {
        let (user_num, to) = self.traveller(&order.user_id, &order.to).await?;
        if let Some(why) = self.rules.barred(&to, user_num).await? {
            return Err(forbidden(why));
        }
        let now_ms = self.clock.now_ms();
        let begin_ts = now_ms.saturating_add(order.notice_days.max(0).saturating_mul(DAY_MS));
        let progress =
            Progress { forbidden: order.forbidden, address_days: order.address_days.max(0), ..Progress::default() };
        let state = if order.notice_days > 0 { State::Announced } else { State::Copying };
        let row = Move {
            move_id: rng::name(&*self.rng, ID_LENGTH),
            user_id: order.user_id.to_string(),
            destination: to.as_str().to_owned(),
            state: state.word().to_owned(),
            revision: 0,
            made_by: order.by,
            reason: order.reason,
            created_ts: now_ms,
            begin_ts,
            due_ts: begin_ts,
            attempts: 0,
            error: None,
            progress: serde_json::to_string(&progress).map_err(Error::internal)?,
            until_ts: None,
            ended_ts: None,
        };
        let mut batch = Batch::new();
        rows::insert(&mut batch, &row);
        match self.store.write(batch).await {
            Ok(_) => {}
            Err(error) if error.is_conflict() => {
                let text = format!(
                    "{} is on the way already: `domicile move --list` shows it, `domicile move --stop` ends it.",
                    order.user_id
                );
                return Err(ErrorKind::BadRequest.with(text).into());
            }
            Err(error) => return Err(error.into()),
        }
        self.poke.notify_one();
        self.shown(row)
    }

    /// Somebody's last move.
    pub async fn of_user(&self, user_id: &UserId) -> Result<Option<Shown>> {
        let wanted = user_id.to_string();
        let row = self.store.read(move |snapshot| async move { rows::last_of(&snapshot, &wanted).await }).await?;
        row.map(|row| self.shown(row)).transpose()
    }

    /// A move by its name.
    pub async fn get(&self, move_id: &str) -> Result<Shown> {
        let wanted = move_id.to_owned();
        let row = self.store.read(move |snapshot| async move { rows::by_id(&snapshot, &wanted).await }).await?;
        self.shown(row.ok_or_else(|| not_found(format!("There is no move {move_id}.")))?)
    }

    /// Moves, the newest first, that were announced before a time; the last 1,000 of them.
    pub async fn list(&self, before_ts: Option<i64>) -> Result<Vec<Shown>> {
        let before = before_ts.unwrap_or(i64::MAX);
        let read = self.store.read(move |snapshot| async move { rows::page(&snapshot, before, PAGE).await });
        read.await?.into_iter().map(|row| self.shown(row)).collect()
    }

    /// Moves that are not over, those first whose next step is due soonest; at most `limit`.
    pub async fn under_way(&self, limit: usize) -> Result<Vec<Shown>> {
        let limit = i64::try_from(limit).unwrap_or(PAGE).min(PAGE);
        let read = self.store.read(move |snapshot| async move { rows::due(&snapshot, i64::MAX, limit).await });
        read.await?.into_iter().map(|row| self.shown(row)).collect()
    }

    /// Moves of which their people are still to be told: that one was announced, or that one of which they were told was stopped.
    pub async fn untold(&self, limit: usize) -> Result<Vec<Shown>> {
        let limit = i64::try_from(limit).unwrap_or(PAGE).min(PAGE);
        let read = self.store.read(move |snapshot| async move { rows::untold(&snapshot, limit).await });
        read.await?.into_iter().map(|row| self.shown(row)).collect()
    }

    /// Notes how a move stood when its person was told of it.
    pub async fn note_told(&self, move_id: &str, state: &str) -> Result<()> {
        let mut batch = Batch::new();
        rows::set_told(&mut batch, move_id, state);
        self.store.write(batch).await?;
        Ok(())
    }

    /// How many moves there are by cell and state.
    pub async fn counts(&self) -> Result<Vec<Counted>> {
        let counts = self.store.read(|snapshot| async move { rows::counts(&snapshot).await }).await?;
        let told = counts.into_iter().map(|(to, state, count, first_ts, last_ts)| Counted {
            to_region: self.region_of(&to),
            to,
            state,
            count,
            first_ts,
            last_ts,
        });
        Ok(told.collect())
    }

    /// The person objects to a move that was announced. The operator decides.
    pub async fn object(&self, user_id: &UserId, words: String) -> Result<Shown> {
        let row = self.change(user_id, |state, progress| {
            if state != State::Announced {
                return Err(forbidden("Nothing is announced to which you could object."));
            }
            progress.objection = Some(words.chars().take(1_000).collect());
            Ok(State::Objected)
        });
        self.shown(row.await?)
    }

    /// The operator decides about an objection: the move goes on, or it is stopped.
    pub async fn decide(&self, user_id: &UserId, goes_on: bool, by: String) -> Result<Shown> {
        let row = self.change(user_id, |state, progress| {
            if state != State::Objected {
                return Err(forbidden("There is no objection to be decided about."));
            }
            progress.decided_by = Some(by);
            Ok(if goes_on { State::Announced } else { State::Stopped })
        });
        self.shown(row.await?)
    }

    /// Stops a move before anything is handed over.
    pub async fn stop(&self, user_id: &UserId, by: String) -> Result<Shown> {
        let stopped = self
            .change(user_id, |state, progress| {
                if !state.can_stop() {
                    let text = format!("{user_id} was let go already: the move can only go on.");
                    return Err(forbidden(text));
                }
                progress.decided_by = Some(by);
                Ok(State::Stopped)
            })
            .await?;
        // They may wait still, after an attempt of which it was not known how it ended.
        if let Some(user_num) = self.users.num(user_id).await? {
            self.departures.end(user_num);
        }
        if let Some(leaving) = &self.leaving {
            // It is told again if it cannot be told now: the move is stopped, whatever this gives.
            if let Err(error) = leaving.cancel(&stopped).await {
                tracing::info!(%error, "that a new home was told of a move that was stopped could not be written down");
            }
        }
        self.shown(stopped)
    }

    async fn change(
        &self,
        user_id: &UserId,
        change: impl FnOnce(State, &mut Progress) -> Result<State>,
    ) -> Result<Move> {
        let wanted = user_id.to_string();
        let row = self.store.read(move |snapshot| async move { rows::open_of(&snapshot, &wanted).await }).await?;
        let row = row.ok_or_else(|| not_found(format!("{user_id} is not on the way to anywhere.")))?;
        let (state, mut progress, _) = of_row(&row)?;
        let next = change(state, &mut progress)?;
        let now_ms = self.clock.now_ms();
        let row = Move {
            state: next.word().to_owned(),
            due_ts: match next {
                // Nothing is due before the decision.
                State::Objected => i64::MAX,
                // Until the new home was told.
                State::Stopped => now_ms,
                _ => row.begin_ts.max(now_ms),
            },
            progress: serde_json::to_string(&progress.kept_in(next)).map_err(Error::internal)?,
            ended_ts: next.is_over().then_some(now_ms),
            ..row
        };
        let mut batch = Batch::new();
        rows::update(&mut batch, &row);
        self.store.write(batch).await?;
        self.poke.notify_one();
        Ok(Move { revision: row.revision + 1, ..row })
    }

    pub(super) fn shown(&self, row: Move) -> Result<Shown> {
        let (_, mut progress, _) = of_row(&row)?;
        self.live.show(&row.move_id, &mut progress);
        let cells = self.users.localities().cells();
        Ok(Shown {
            to_region: self.region_of(&row.destination),
            from_region: cells.map(|cells| cells.own.region().as_str().to_owned()).unwrap_or_default(),
            move_id: row.move_id,
            user_id: row.user_id,
            to: row.destination,
            state: row.state,
            by: row.made_by,
            reason: row.reason,
            created_ts: row.created_ts,
            begin_ts: row.begin_ts,
            due_ts: row.due_ts,
            attempts: row.attempts,
            error: row.error,
            until_ts: row.until_ts,
            ended_ts: row.ended_ts,
            progress,
        })
    }
}
