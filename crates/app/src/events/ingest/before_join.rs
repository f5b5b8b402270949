//! What others said while somebody here came into a room stands on what was said before that.

use std::{collections::HashSet, sync::Arc};

use domicile_core::ids::{EventNum, Position};
use domicile_store::{
    event_id,
    table::{graph, timeline_gaps},
};
use ruma::{OwnedEventId, ServerName, UInt, api::federation::backfill::get_backfill};

use super::{Ingest, missing::FetchError};
use crate::{Result, federation::peers::LARGE, rooms::Room};

/// Events before a join that are asked for.
const PAGE: u32 = 100;
/// Missing events that are named in one request. Their ids stand in its path's query.
const NAMED: i64 = 20;

/// What is missing before a copy that has just begun: the place of the gap, if there is an older copy before it, and the events that it names.
type Before = (Option<Position>, Vec<OwnedEventId>);

impl Ingest {
    /// Fetches a page of what was said before somebody here came into a room, if that was just now and nothing of it is here. Without it all of the past
    /// would be taken for news.
    pub(super) async fn fetch_before_join(
        &self,
        room: &Arc<Room>,
        server: &ServerName,
    ) -> std::result::Result<(), FetchError> {
        let Some((gap, missing)) = self.missing_before_join(room).await? else { return Ok(()) };
        let request = get_backfill::v1::Request::new(room.info.room_id.clone(), missing.clone(), UInt::from(PAGE));
        match self.peers.ask(server, request, LARGE).await {
            Ok(mut answer) => {
                answer.pdus.truncate(usize::try_from(PAGE).unwrap_or(usize::MAX));
                let gap = gap.map(|position| (position, &missing[..]));
                self.take_history(room, server, answer.pdus, gap).await?;
            }
            Err(error) => tracing::debug!(%server, %error, "what was said before a join could not be fetched"),
        }
        Ok(())
    }

    async fn missing_before_join(&self, room: &Arc<Room>) -> Result<Option<Before>> {
        let view = room.view();
        let room_num = room.info.room_num;
        let recent = view.recent.iter().filter(|event| event.position.is_some_and(|place| place > Position::START));
        let recent: Vec<(EventNum, Option<Position>)> = recent.map(|event| (event.event_num, event.position)).collect();
        let Some((_, Some(first))) = recent.first().copied() else { return Ok(None) };
        let (before, last) = (Position(first.0 - 1), view.last_position);
        let among: HashSet<EventNum> = recent.into_iter().map(|(event_num, _)| event_num).collect();
        let read = self.store.read(move |snapshot| async move {
            let gap = timeline_gaps::newest(&snapshot, room_num, before, last).await?;
            let missing = match gap {
                Some(place) if timeline_gaps::last_rank(&snapshot, room_num, place).await? > 0 => Vec::new(),
                Some(place) => timeline_gaps::missing(&snapshot, room_num, place, NAMED).await?,
                None => {
                    let rows = graph::backward_extremities(&snapshot, room_num, NAMED).await?;
                    rows.into_iter().filter(|(_, by)| among.contains(by)).map(|(id, _)| id).collect()
                }
            };
            let ids = missing.iter().map(|id| Ok(event_id::from_bytes(id)?));
            Ok::<_, crate::Error>((gap, ids.collect::<Result<Vec<OwnedEventId>>>()?))
        });
        let (gap, missing) = read.await?;
        Ok(Some((gap, missing)).filter(|(_, missing)| !missing.is_empty()))
    }
}
