//! Simplified sliding sync (MSC4186): a client names windows over its list of rooms and gets what is new in them.
//!
//! A connection's memory is what it was shown of each room. It lives in this process only; a client whose connection is not known any more
//! is told so and begins again, which the protocol foresees.

mod connection;
mod extensions;
mod lists;
mod room;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use domicile_core::{error::ErrorKind, ids::Position, limits};
use domicile_store::{Batch, Snapshot, table};
use ruma::{OwnedRoomId, api::client::sync::sync_events::v5::Request};
use serde::Serialize;

use self::connection::{Connection, Connections};
use super::{SyncParts, answer::Ready};
use crate::{Result, account_data::ignored::IgnoredUsers, accounts::Session, e2ee::to_device, events::Reader};

/// The service.
pub struct SlidingSync {
    parts: Arc<SyncParts>,
    connections: Connections,
}

/// What one answer is made from.
struct Round<'a> {
    parts: &'a SyncParts,
    snapshot: Snapshot,
    session: &'a Session,
    request: &'a Request,
    /// Everything up to here may be shown.
    upto: Position,
    /// What the connection was shown before, as one number.
    since: Option<Position>,
    typing_since: u64,
    reader: Reader,
    /// Those whom the user ignores.
    ignored: IgnoredUsers,
}

/// The answer.
#[derive(Debug, Default, Serialize)]
pub struct SlidingAnswer {
    /// The next `pos`.
    pub pos: String,
    /// The request's transaction id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub txn_id: Option<String>,
    /// Rooms in each list.
    pub lists: BTreeMap<String, ListAnswer>,
    /// What is new in rooms.
    pub rooms: BTreeMap<OwnedRoomId, room::RoomAnswer>,
    /// What is new beside rooms.
    pub extensions: extensions::Extensions,
}

/// How long a list is.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ListAnswer {
    /// Rooms in it.
    pub count: usize,
}

impl SlidingSync {
    /// Over the same parts as `/sync`.
    pub fn new(parts: Arc<SyncParts>) -> Self {
        Self { parts, connections: Connections::default() }
    }

    /// What is new for a connection; waits for it as long as the request allows.
    pub async fn sync(&self, session: Arc<Session>, request: Arc<Request>) -> Result<SlidingAnswer> {
        let timeout = request.timeout.unwrap_or_default().min(Duration::from_millis(limits::SYNC_TIMEOUT_MS));
        let deadline = tokio::time::Instant::now() + timeout;
        let key = (session.device_num, request.conn_id.clone().unwrap_or_default());
        let before = match &request.pos {
            None => Connection::default(),
            Some(pos) => self.connections.at(&key, pos).ok_or_else(|| {
                ErrorKind::UnknownPos.with("This connection is not known any more: begin again without `pos`.")
            })?,
        };
        let first = request.pos.is_none();
        let _connected = self.parts.presence.connect(session.user_num, session.device_num, &request.set_presence);
        let waiting = self.parts.wakers.park(session.user_num);
        loop {
            let mut woken = std::pin::pin!(waiting.woken());
            woken.as_mut().enable();
            let (mut answer, after, received) = Box::pin(self.compute(&session, &request, before.clone())).await?;
            if let Some(upto) = received {
                let mut batch = Batch::new();
                table::to_device::remove(&mut batch, session.device_num, upto);
                self.parts.store.write(batch).await?;
            }
            let something = first || !answer.rooms.is_empty() || !answer.extensions.is_empty();
            let ends = self.parts.stopping.is_cancelled() || self.parts.departures.has(session.user_num);
            let stop = something || timeout.is_zero() || ends;
            let ended = stop
                || tokio::select! {
                    () = woken => false,
                    () = self.parts.stopping.cancelled() => true,
                    () = tokio::time::sleep_until(deadline) => true,
                };
            if ended {
                answer.pos = self.connections.keep(key, after);
                answer.txn_id.clone_from(&request.txn_id);
                return Ok(answer);
            }
        }
    }

    async fn compute(
        &self,
        session: &Arc<Session>,
        request: &Arc<Request>,
        connection: Connection,
    ) -> Result<(SlidingAnswer, Connection, Option<Position>)> {
        let (parts, session, request) = (Arc::clone(&self.parts), Arc::clone(session), Arc::clone(request));
        let store = parts.store.clone();
        store.read(move |snapshot| async move { compute(&parts, snapshot, &session, &request, connection).await }).await
    }
}

async fn compute(
    parts: &SyncParts,
    snapshot: Snapshot,
    session: &Session,
    request: &Request,
    mut connection: Connection,
) -> Result<(SlidingAnswer, Connection, Option<Position>)> {
    let typing_head = parts.typing.head();
    let head = snapshot.head().await?;
    let mut answer = SlidingAnswer::default();
    let (mut upto, mut received) = (head, None);
    if request.extensions.to_device.enabled == Some(true) {
        let asked = &request.extensions.to_device;
        let since = match &asked.since {
            Some(since) => since.parse().map(Position).map_err(|_| {
                ErrorKind::InvalidParam.with("`extensions.to_device.since` is no token of this server.")
            })?,
            None => Position::START,
        };
        let since = parts.spans.in_inbox(&snapshot, session.device_num, since).await?;
        let limit = asked.limit.map_or(limits::TO_DEVICE_PAGE, |limit| usize::try_from(u64::from(limit)).unwrap_or(1));
        let limit = limit.clamp(1, limits::TO_DEVICE_PAGE);
        let page = to_device::page(&snapshot, session.device_num, since, head, limit).await?;
        // Where the inbox is cut, everything else stops too: a message is never shown before its key.
        upto = page.last;
        if table::to_device::any(&snapshot, session.device_num, since).await? {
            received = Some(since);
        }
        let events: Vec<Ready> = page.events.into_iter().map(ruma::serde::Raw::into_json).collect();
        answer.extensions.to_device = Some(extensions::ToDevice { next_batch: upto.to_string(), events });
    }
    let ignored = parts.ignored.of(&snapshot, session.user_num).await?;
    let round = Round {
        ignored,
        parts,
        session,
        request,
        upto,
        since: connection.position,
        typing_since: connection.typing,
        reader: Reader { user_num: session.user_num, device_num: session.device_num, now_ms: parts.clock.now_ms() },
        snapshot,
    };
    let chosen = lists::choose(&round, &mut answer.lists).await?;
    for (row, details) in &chosen {
        let info = parts.events.room_info(&round.snapshot, row.room_num).await?;
        let shown = connection.rooms.get(&row.room_num).copied();
        if let Some((room, now)) = room::room(&round, &info, row, details, shown).await? {
            connection.rooms.insert(row.room_num, now);
            if let Some(room) = room {
                answer.rooms.insert(info.room_id.clone(), room);
            }
        }
    }
    extensions::fill(&round, &chosen, &mut answer.extensions).await?;
    // An inbox that is asked for from further back than the connection stands takes nothing back of what was shown.
    connection.position = connection.position.max(Some(upto));
    connection.typing = typing_head;
    Ok((answer, connection, received))
}
