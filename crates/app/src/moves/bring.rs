//! What somebody who moves brings along beside their vault: copies of their rooms, and their files.

use bytes::Bytes;
use domicile_core::{
    ids::{Position, RoomNum},
    locality::Destination,
};
use domicile_store::table::{destinations, media, portable};
use futures::{StreamExt, TryStreamExt, stream};
use http::{Method, Request};

use super::{
    copies::Traveller,
    leave::{FILES, LARGE, Leaving, told},
    messages::{self, About, Begun, File, MEDIA, ROOM, RoomPart, Taken},
    progress::{Count, Progress},
};
use crate::{Error, Result, federation::peers};

/// Rooms that are brought at once.
const ROOMS_AT_ONCE: usize = 4;

impl Leaving {
    /// Brings the copies of those rooms that are not there yet.
    pub(super) async fn bring_rooms(
        &self,
        progress: &mut Progress,
        traveller: &Traveller,
        joined: &[&portable::RoomOf],
        begun: &Begun,
    ) -> Result<()> {
        let is_missing = |room: &portable::RoomOf| begun.missing.iter().any(|id| *id == *room.room_id);
        let missing: Vec<RoomNum> = joined.iter().filter(|room| is_missing(room)).map(|room| room.room_num).collect();
        progress.rooms.done = progress.rooms.of - missing.len() as u64;
        self.live.set(&traveller.about.move_id, progress);
        let head = self.head().await?;
        let mut bringing = stream::iter(missing)
            .map(|room_num| self.bring_room(traveller, room_num, (None, head)))
            .buffer_unordered(ROOMS_AT_ONCE);
        while let Some(events) = bringing.try_next().await? {
            progress.events += events;
            progress.rooms.done += 1;
            self.live.set(&traveller.about.move_id, progress);
        }
        Ok(())
    }

    /// From where on there may be events that the new home does not have, of rooms of which it had a copy or gets one now.
    pub(super) async fn told(&self, traveller: &Traveller) -> Result<Position> {
        let to = Destination::Cell(traveller.to.clone()).to_string();
        let read = self.turner.store.read(move |snapshot| async move {
            let head = snapshot.head().await?;
            let Some(num) = destinations::by_name(&snapshot, &to).await? else { return Ok::<_, Error>(head) };
            let told = destinations::by_num(&snapshot, num).await?;
            Ok(told.map_or(head, |told| told.position.min(head)))
        });
        read.await
    }

    /// Brings what has been said since a position in rooms that the person is in. Gives up to where.
    pub(super) async fn bring_news(&self, traveller: &Traveller, since: Position) -> Result<Position> {
        let head = self.head().await?;
        for room_num in self.turner.joined(Some(traveller.user_num)).await? {
            self.bring_room(traveller, room_num, (Some(since), head)).await?;
        }
        Ok(head)
    }

    async fn head(&self) -> Result<Position> {
        Ok(self.turner.store.read(|snapshot| async move { snapshot.head().await }).await?)
    }

    /// Brings what a room has after a position, or all of it, up to another. People go on writing there: who followed them would have no end.
    async fn bring_room(
        &self,
        traveller: &Traveller,
        room_num: RoomNum,
        (since, until): (Option<Position>, Position),
    ) -> Result<u64> {
        let room = self.turner.rooms.by_num(room_num).await?;
        // One whose members are still being fetched is brought with all of them.
        self.turner.rooms.with_members(&room).await?;
        let (mut after, mut events) = (since, 0);
        while let Some((part, last)) = self.copies.part(traveller, &room, (after, until)).await? {
            let taken: Taken = self.ask_large::<RoomPart, Taken>(&traveller.to, ROOM, &part).await?;
            if taken.left_out > 0 {
                tracing::info!(left_out = taken.left_out, "events of a room are no part of it at another cell");
            }
            events += taken.events as u64;
            after = Some(last);
        }
        Ok(events)
    }

    /// Brings the files that are not there yet.
    pub(super) async fn bring_media(
        &self,
        progress: &mut Progress,
        traveller: &Traveller,
        begun: &Begun,
    ) -> Result<()> {
        let user_num = traveller.user_num;
        let mut after = String::new();
        progress.media = Count::default();
        loop {
            let from = after.clone();
            let store = &self.turner.store;
            let read =
                store.read(move |snapshot| async move { media::of_user(&snapshot, user_num, &from, FILES).await });
            let page = read.await?;
            let Some(last) = page.last() else { return Ok(()) };
            after.clone_from(&last.media_id);
            progress.media.of += page.len() as u64;
            for file in page {
                let is_there = begun.media.contains(&file.media_id);
                if let Some(hash) = file.content_hash.filter(|_| !is_there) {
                    self.bring_file(traveller, &file.media_id, hash).await?;
                }
                progress.media.done += 1;
                self.live.set(&traveller.about.move_id, progress);
            }
        }
    }

    async fn bring_file(&self, traveller: &Traveller, media_id: &str, hash: Bytes) -> Result<()> {
        let Some(mut content) = self.blobs.open(traveller.user_num, hash).await? else {
            tracing::warn!(media_id, "a file is named in the database and is not there");
            return Ok(());
        };
        let mut bytes = Vec::new();
        while let Some(piece) = content.next().await {
            bytes.extend_from_slice(&piece.map_err(Error::internal)?);
        }
        let About { move_id, user_id } = traveller.about.clone();
        let file = File { move_id, user_id, media_id: media_id.to_owned() };
        let query = serde_json::to_string(&file).map_err(Error::internal)?;
        let request = Request::builder()
            .method(Method::POST)
            .uri(MEDIA)
            .header(messages::ABOUT_FILE, domicile_store::walk::rows::hex(query.as_bytes()));
        let request = request.body(Bytes::from(bytes)).map_err(Error::internal)?;
        let answer = self.link.ask(&traveller.to, request, LARGE).await.map_err(|error| told(&error))?;
        if answer.status().as_u16() >= 300 {
            return Err(told(&peers::refusal(&answer)));
        }
        Ok(())
    }
}
