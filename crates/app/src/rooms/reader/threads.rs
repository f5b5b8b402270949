//! The threads of a room.

use std::sync::Arc;

use domicile_core::ids::Position;
use domicile_room::event::{ClientEvent, redact};
use domicile_store::{Snapshot, table::threads};
use ruma::RoomId;
use serde_json::value::RawValue;

use super::{RoomReader, RoomReaderParts, page::LOOKED_AT};
use crate::{
    Error, Result,
    account_data::ignored::ignored,
    accounts::Session,
    events::{Form, Stored},
    rooms::Room,
};

/// Threads that are read at once.
const ROWS: i64 = 200;

/// Which threads of a room.
#[derive(Clone, Copy, Debug)]
pub struct ThreadsRequest {
    /// Those whose newest reply stands here or before it.
    pub from: Option<Position>,
    /// Threads at most.
    pub limit: usize,
    /// Whether only those in which the reader wrote something.
    pub participated: bool,
}

/// Threads of a room.
#[derive(Debug)]
pub struct ThreadsPage {
    /// Their roots, that of the newest reply first.
    pub roots: Vec<Box<RawValue>>,
    /// Where it goes on; none at the end.
    pub end: Option<Position>,
}

impl RoomReader {
    /// Threads of a room whose roots the reader may see.
    pub async fn threads(&self, session: &Session, room_id: &RoomId, request: ThreadsRequest) -> Result<ThreadsPage> {
        let room = self.room(room_id).await?;
        let (parts, session) = (Arc::clone(&self.parts), session.clone());
        self.parts
            .store
            .read(move |snapshot| async move { parts.threads(&snapshot, &room, &session, request).await })
            .await
    }
}

impl RoomReaderParts {
    async fn threads(
        &self,
        snapshot: &Snapshot,
        room: &Room,
        session: &Session,
        request: ThreadsRequest,
    ) -> Result<ThreadsPage> {
        self.visible_state(snapshot, room, session).await?;
        let mut eyes = self.eyes(snapshot, room, session).await?;
        let ignored = ignored(snapshot, session.user_num).await?;
        let how = (self.reader(session), Form::WithRoom);
        let mut page = ThreadsPage { roots: Vec::new(), end: None };
        let (mut at, mut looked) = (request.from.unwrap_or(Position(i64::MAX)), 0);
        'pages: while looked < LOOKED_AT {
            let found = threads::list(snapshot, room.info.room_num, session.user_num, at, ROWS).await?;
            let more = i64::try_from(found.len()).unwrap_or(ROWS) == ROWS;
            let nums: Vec<_> = found.iter().map(|thread| thread.root_num).collect();
            let roots = self.events.load(snapshot, &nums).await?;
            let bundles = self.presenter.bundles(snapshot, &mut eyes, &roots).await?;
            looked += found.len();
            for (thread, root) in found.iter().zip(&roots) {
                if page.roots.len() == request.limit {
                    page.end = Some(at);
                    break 'pages;
                }
                at = Position(thread.latest_position.0 - 1);
                let participates = thread.replied || root.sender_num == session.user_num;
                let told = bundles.of(root.event_num).is_some_and(|bundle| bundle.thread.is_some());
                if !told || (request.participated && !participates) {
                    continue;
                }
                if !eyes.sees(&self.sight(), snapshot, root).await? {
                    continue;
                }
                let emptied = if ignored.contains(&root.sender_num) { Some(emptied(root)?) } else { None };
                let root = emptied.as_ref().unwrap_or(root);
                page.roots.push(self.presenter.bundled(snapshot, root, how, &bundles).await?);
            }
            if !more {
                page.end = None;
                break;
            }
            page.end = Some(at);
        }
        Ok(page)
    }
}

/// The root of a thread by somebody whom the reader ignores: as if it were redacted.
fn emptied(root: &Stored) -> Result<Arc<Stored>> {
    let pdu = redact::redact(&root.pdu, &root.room.rules).map_err(Error::internal)?;
    Ok(Arc::new(Stored {
        event_num: root.event_num,
        room: Arc::clone(&root.room),
        position: root.position,
        sender_num: root.sender_num,
        state_before: root.state_before,
        graph_state: root.graph_state,
        status: root.status,
        thread_num: root.thread_num,
        redacted_by: root.redacted_by,
        totals: None,
        client: ClientEvent::new(&pdu),
        pdu: Arc::new(pdu),
    }))
}
