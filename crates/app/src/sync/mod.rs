//! `/sync`: one snapshot, everything that is new in it for one device.
//!
//! An answer is made from one snapshot of the database, so a to-device message that was acknowledged before an event was sent is never later than
//! the event. Where the inbox is cut, timelines stop at the same position. Nobody waits for anybody else's sync.

pub mod answer;
mod compute;
pub mod filter;
pub mod frontier;
mod old;
mod presence;
mod room;
pub mod sliding;
mod state;
mod timeline;
pub mod token;

use std::{sync::Arc, time::Duration};

use domicile_core::clock::Clock;
use domicile_store::{Batch, Store, table};
use ruma::{api::client::filter::FilterDefinition, presence::PresenceState};
use tokio_util::sync::CancellationToken;

pub use answer::SyncAnswer;
pub use old::{Everything, Listened};
pub use sliding::SlidingSync;
pub use token::SyncToken;

use crate::{
    Result,
    account_data::Ignored,
    accounts::{Session, Users},
    ephemeral::{Presence, Typing},
    error::not_found,
    events::{
        Events, Presenter,
        wake::{Waiting, Wakers},
    },
    moves::Departures,
    push::PushClasses,
    residency::Spans,
    rooms::{Rooms, StateKeys, StateTrees, reader::RoomReaderParts},
};

/// What a sync is made of.
pub struct SyncParts {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The directory of users.
    pub users: Arc<Users>,
    /// Events in memory.
    pub events: Arc<Events>,
    /// Events as a reader sees them.
    pub presenter: Arc<Presenter>,
    /// Rooms in memory.
    pub rooms: Arc<Rooms>,
    /// Interned state keys.
    pub keys: Arc<StateKeys>,
    /// State trees.
    pub trees: Arc<StateTrees>,
    /// Who waits.
    pub wakers: Arc<Wakers>,
    /// Who types.
    pub typing: Arc<Typing>,
    /// Who ignores whom.
    pub ignored: Arc<Ignored>,
    /// Who is online.
    pub presence: Arc<Presence>,
    /// Those who wait for presence among other things.
    pub presence_watchers: Arc<Wakers>,
    /// Classes of push rules.
    pub push: Arc<PushClasses>,
    /// Ends long polls when the server stops.
    pub stopping: CancellationToken,
    /// Which tokens are this cell's own.
    pub spans: Arc<Spans>,
    /// Who is on the way to another cell.
    pub departures: Arc<Departures>,
}

impl SyncParts {
    /// Those of them that reading rooms needs.
    pub fn for_reading(&self) -> RoomReaderParts {
        RoomReaderParts {
            store: self.store.clone(),
            clock: Arc::clone(&self.clock),
            users: Arc::clone(&self.users),
            events: Arc::clone(&self.events),
            presenter: Arc::clone(&self.presenter),
            rooms: Arc::clone(&self.rooms),
            keys: Arc::clone(&self.keys),
            trees: Arc::clone(&self.trees),
            ignored: Arc::clone(&self.ignored),
            stopping: self.stopping.clone(),
            spans: Arc::clone(&self.spans),
        }
    }
}

/// The service.
pub struct Sync {
    parts: Arc<SyncParts>,
}

/// What a client asks.
#[derive(Clone, Debug)]
pub struct SyncRequest {
    /// Where it stands; none is the first time.
    pub since: Option<SyncToken>,
    /// Its filter.
    pub filter: Arc<FilterDefinition>,
    /// Whether it wants all state again.
    pub full_state: bool,
    /// Whether it wants state after the timeline instead of before it.
    pub state_after: bool,
    /// How long it waits for something new.
    pub timeout: Duration,
    /// How the device wishes its user to be seen.
    pub set_presence: PresenceState,
}

impl Sync {
    /// The service over its parts.
    pub fn new(parts: Arc<SyncParts>) -> Self {
        Self { parts }
    }

    /// The filter of a request: a stored one by its id, or one that is written out.
    pub async fn filter(&self, session: &Session, filter_id: &str) -> Result<FilterDefinition> {
        let missing = || not_found(format!("There is no filter {filter_id}: upload it again."));
        let filter_num: i64 = filter_id.parse().map_err(|_| missing())?;
        let user_num = session.user_num;
        let found = self
            .parts
            .store
            .read(move |snapshot| async move { table::sync::filter(&snapshot, user_num, filter_num).await })
            .await?;
        serde_json::from_str(&found.ok_or_else(missing)?).map_err(|_| missing())
    }

    /// What is new for a device; waits for it as long as the request allows. Thousands wait at once, so what is not needed before an end is in
    /// boxes, or shared.
    pub async fn sync(&self, session: Arc<Session>, request: Arc<SyncRequest>) -> Result<SyncAnswer> {
        let deadline = tokio::time::Instant::now() + request.timeout;
        let _connected = self.parts.presence.connect(session.user_num, session.device_num, &request.set_presence);
        let waiting = self.parts.wakers.park(session.user_num);
        let watching = presence::watch(&self.parts, &session, &request);
        let may_wait = !request.full_state && !request.timeout.is_zero();
        let mut waits_for = request.since.filter(|_| may_wait);
        let mut ended = false;
        // A client that comes back with the token of its last answer, and whom nobody woke since, has nothing to read yet.
        let has_news = |token| {
            waiting.has_news_since(token) || watching.as_ref().is_some_and(|watching| watching.has_news_since(token))
        };
        let mut reads = waits_for.is_none_or(has_news);
        loop {
            // Both taken before the read: what is written after it wakes us.
            let wakes = waiting.wakes();
            let mut woken = std::pin::pin!(waiting.woken());
            woken.as_mut().enable();
            let shown = presence::woken(watching.as_ref());
            let shows = watching.as_ref().map(Waiting::wakes);
            if reads {
                // In a box, so that whoever waits does not hold the room that the answer needed while it was made.
                let answer = Box::pin(self.read(&session, &request)).await?;
                if answer.is_whole {
                    waiting.note_quiet(answer.token, wakes);
                    if let (Some(watching), Some(shows)) = (&watching, shows) {
                        watching.note_quiet(answer.token, shows);
                    }
                }
                let stops = self.parts.stopping.is_cancelled() || self.parts.departures.has(session.user_num);
                if waits_for.is_none() || ended || !answer.is_empty() || stops {
                    return Ok(answer);
                }
            } else if waits_for.is_some_and(has_news) {
                // Somebody woke us before we listened.
                reads = true;
                continue;
            }
            tokio::select! {
                () = woken => {}
                () = shown => {}
                // A last look: a wake-up may be lost, a fact may not.
                () = self.parts.stopping.cancelled() => (ended, waits_for) = (true, None),
                () = tokio::time::sleep_until(deadline) => ended = true,
            }
            reads = true;
        }
    }

    /// What is new now. What the client's token proves to have arrived is taken out of its inbox.
    async fn read(&self, session: &Arc<Session>, request: &Arc<SyncRequest>) -> Result<SyncAnswer> {
        let answer = self.compute(session, request).await?;
        if let Some(upto) = answer.inbox_received {
            let mut batch = Batch::new();
            table::to_device::remove(&mut batch, session.device_num, upto);
            self.parts.store.write(batch).await?;
        }
        Ok(answer)
    }

    async fn compute(&self, session: &Arc<Session>, request: &Arc<SyncRequest>) -> Result<SyncAnswer> {
        let (parts, session, request) = (Arc::clone(&self.parts), Arc::clone(session), Arc::clone(request));
        let store = parts.store.clone();
        // Before the snapshot: who is seen to share a room may have come into it before they were shown anew.
        let presence_seen = parts.presence.head();
        store
            .read(move |snapshot| async move {
                compute::compute(&parts, snapshot, &session, &request, presence_seen).await
            })
            .await
    }
}
