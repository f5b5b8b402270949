//! A cell that was restored from a backup: it serves nobody before it has found out what it has missed, and then does that.
//!
//! `fence` keeps everybody out meanwhile, `state` is how far it is, `steps` does it. `words` are written when something is done that an older backup
//! would undo, and `keeper` leaves them with other cells and keeps theirs, as well as vaults of people who have left. `messages` is what cells ask
//! each other for that.

mod fence;
mod keeper;
pub mod messages;
mod state;
mod steps;
pub(crate) mod words;

use std::{sync::Arc, time::Duration};

use domicile_core::{clock::Clock, error::ErrorKind, locality::CellName};
use domicile_store::Store;
use serde_json::json;
use tokio_util::sync::CancellationToken;

pub use fence::Fence;
pub use keeper::{Keeper, KeeperParts};
pub use state::{Lifted, State, Step, StepState};

use messages::Present;

use crate::{
    Result,
    accounts::{Accounts, Devices, Users},
    error::not_found,
    evidence::{Documents, Erasures},
    moves::{Moves, messages::Done},
    residency::InnerLink,
    standing::StatusPage,
};

/// The kind of document that a restore leaves.
pub const KIND: &str = "restore";
/// How often it is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// What a restorer is made of.
pub struct RestorerParts {
    /// The fence.
    pub fence: Arc<Fence>,
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who is who, and where.
    pub users: Arc<Users>,
    /// Accounts.
    pub accounts: Arc<Accounts>,
    /// Devices.
    pub devices: Arc<Devices>,
    /// Erases people.
    pub erasures: Arc<Erasures>,
    /// Rooms and vaults of those who move.
    pub moves: Arc<Moves>,
    /// Signed documents.
    pub documents: Arc<Documents>,
    /// Tells everybody.
    pub status: Arc<StatusPage>,
    /// The way to other cells; none where there are none.
    pub link: Option<Arc<InnerLink>>,
}

/// Brings a restored cell to where the others are.
pub struct Restorer {
    parts: RestorerParts,
    /// One at a time.
    working: tokio::sync::Mutex<()>,
    /// What is noted is read before.
    noting: tokio::sync::Mutex<()>,
}

/// A fence as the operator sees it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Shown {
    /// Whether nobody is served.
    pub fenced: bool,
    /// How far it is.
    pub state: Option<State>,
    /// The steps, in their order, each with what it is in words; without those that this cell has not.
    pub steps: Vec<(Step, &'static str)>,
}

impl Restorer {
    /// Of its parts.
    pub fn new(parts: RestorerParts) -> Self {
        Self { parts, working: tokio::sync::Mutex::default(), noting: tokio::sync::Mutex::default() }
    }

    /// The fence.
    pub fn fence(&self) -> &Arc<Fence> {
        &self.parts.fence
    }

    /// How far it is.
    pub async fn shown(&self) -> Result<Shown> {
        let state = self.parts.fence.state().await?;
        let steps = self.steps().into_iter().map(|step| (step, step.words())).collect();
        Ok(Shown { fenced: state.is_some(), state, steps })
    }

    /// The steps that this cell has.
    fn steps(&self) -> Vec<Step> {
        let cells = self.parts.users.localities().cells();
        let has = |step: &Step| match step {
            // What the cell's own signed documents say of erasures is known to a cell that is alone, too.
            Step::Words => true,
            Step::Directory => cells.is_some_and(|cells| cells.own.decides()),
            Step::Homes | Step::Rooms | Step::Vaults => cells.is_some(),
        };
        Step::ALL.into_iter().filter(has).collect()
    }

    /// Does what is to be done until the cell is open or the server stops.
    pub async fn run(self: Arc<Self>, stopping: CancellationToken) {
        while self.parts.fence.is_up() {
            match self.attempt().await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) if error.is_closed() => return,
                Err(error) => tracing::warn!(%error, "a restored cell could not go on, and tries again"),
            }
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
    }

    /// Goes on as far as it comes; whether the cell is open then.
    pub async fn attempt(&self) -> Result<bool> {
        let _one = self.working.lock().await;
        let Some(mut state) = self.parts.fence.state().await? else { return Ok(true) };
        let stopped = self.parts.moves.stop_after_restore().await?;
        tracing::info!(
            stopped,
            "this cell was restored from a backup, and is fenced until it knows what it has missed"
        );
        for step in self.steps() {
            if state.step(step).ended_ts.is_some() {
                continue;
            }
            // What was brought or decided meanwhile counts.
            self.note(&mut state).await?;
            let done = self.step(step, &mut state).await;
            let now_ms = self.parts.clock.now_ms();
            let this = state.step(step);
            match &done {
                Ok(true) => (this.ended_ts, this.error) = (Some(now_ms), None),
                Ok(false) => {}
                Err(error) => this.error = Some(error.to_string()),
            }
            self.note(&mut state).await?;
            if !done.unwrap_or(false) {
                return Ok(false);
            }
        }
        self.open(&state).await?;
        Ok(true)
    }

    /// Notes how far it is. An operator may have given up on a cell meanwhile, and cells may have brought tickets.
    async fn note(&self, state: &mut State) -> Result<()> {
        let _one = self.noting.lock().await;
        let Some(mut there) = self.parts.fence.state().await? else { return Ok(()) };
        if let Some(brought) = there.steps.remove(&Step::Directory) {
            let this = state.step(Step::Directory);
            (this.done, this.cells) = (brought.done, brought.cells);
        }
        (state.without, state.lifted) = (there.without, there.lifted);
        self.parts.fence.note(state).await
    }

    /// Takes tickets that another cell presents, because this one decides names and has lost what it decided last.
    pub async fn present(&self, cell: &CellName, present: Present) -> Result<Done> {
        let cells = self.parts.users.localities().cells();
        let cells = cells.ok_or_else(|| not_found("This server is no cell of a deployment."))?;
        if !self.parts.fence.is_up() {
            return Err(ErrorKind::BadRequest.with("This cell is open, and knows what it has decided.").into());
        }
        let made = cells.names.recover_all(present.tickets).await?;
        let _one = self.noting.lock().await;
        if let Some(mut state) = self.parts.fence.state().await? {
            let this = state.step(Step::Directory);
            this.done += made as u64;
            if present.last {
                this.cells.insert(cell.as_str().to_owned());
            }
            self.parts.fence.note(&state).await?;
        }
        Ok(Done {})
    }

    async fn open(&self, state: &State) -> Result<()> {
        let there = self.parts.fence.state().await?.unwrap_or_else(|| state.clone());
        let body = json!({
            "backup_ts": state.backup_ts, "restored_ts": state.restored_ts, "opened_ts": self.parts.clock.now_ms(),
            "steps": state.steps, "without": there.without, "lifted": there.lifted,
        });
        self.parts.documents.add(KIND, body).await?;
        self.parts.fence.lift().await?;
        tracing::info!("this cell knows what it has missed, and is open");
        self.parts.status.refresh().await
    }

    /// Does not wait for some cells any more: what they know of is not done again.
    pub async fn give_up_on(&self, cells: Vec<String>, by: String, reason: String) -> Result<Shown> {
        let _one = self.noting.lock().await;
        let Some(mut state) = self.parts.fence.state().await? else {
            return Err(ErrorKind::BadRequest.with("This cell is open: there is no fence to lift.").into());
        };
        let known = self.others();
        if let Some(wrong) = cells.iter().find(|cell| !known.iter().any(|known| known.as_str() == cell.as_str())) {
            let all: Vec<&str> = known.iter().map(CellName::as_str).collect();
            let text = format!("`{wrong:.40}` is none of the other cells: {}.", all.join(", "));
            return Err(ErrorKind::InvalidParam.with(text).into());
        }
        state.without.extend(cells);
        state.lifted = Some(Lifted { by, reason, at_ts: self.parts.clock.now_ms() });
        self.parts.fence.note(&state).await?;
        self.shown().await
    }

    /// The other cells of the deployment.
    fn others(&self) -> Vec<CellName> {
        let Some(cells) = self.parts.users.localities().cells() else { return Vec::new() };
        cells.own.document().cells.keys().filter(|cell| *cell != cells.own.name()).cloned().collect()
    }
}
