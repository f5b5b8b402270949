//! What waits for other servers in a test server's database.

use domicile_core::ids::{Position, UserNum};
use domicile_store::{
    Batch, StoreError,
    numbers::Sequence,
    table::{destinations, gateway_spool, outgoing_edus, outgoing_events},
};
use serde_json::json;

use super::TestServer;

impl TestServer {
    /// Whether all whom a room concerns have said that they have all of it.
    pub async fn is_told(&self, room_id: &str) -> bool {
        let room_id = <&ruma::RoomId>::try_from(room_id).expect("a room id");
        let room_num =
            self.services.sender.rooms().num(room_id).await.expect("the room can be read").expect("the room");
        let read = self.store.read(move |snapshot| async move { destinations::is_behind(&snapshot, room_num).await });
        !read.await.expect("the row can be read")
    }

    /// How far another server has been told, and whether it answers.
    pub async fn destination(&self, name: &'static str) -> destinations::Destination {
        let read = self.store.read(move |snapshot| async move {
            let found = destinations::by_name(&snapshot, name).await?.expect("the destination");
            Ok::<_, StoreError>(destinations::by_num(&snapshot, found).await?.expect("its row"))
        });
        read.await.expect("the destination can be read")
    }

    /// Leaves a message for devices on another server, which comes with whatever is told next. `text` is its id.
    pub async fn leave_message(&self, name: &'static str, text: &str) {
        let destination_num = self.destination(name).await.destination_num;
        let edu_num: i64 = self.store.number(Sequence::OutgoingEdu).await.expect("a number");
        let mut batch = Batch::new();
        let position = batch.position();
        let content = json!({ "sender": "@alice:localhost", "type": "m.dummy", "message_id": text, "messages": {} });
        let (kind, content) = (outgoing_edus::DIRECT_TO_DEVICE, content.to_string());
        outgoing_edus::insert(&mut batch, edu_num, destination_num, UserNum(1), kind, content, position);
        self.store.write(batch).await.expect("the message is written");
    }

    /// How much this gateway keeps for cells that it could not reach.
    pub async fn spooled(&self) -> i64 {
        let read = self.store.read(|snapshot| async move { gateway_spool::waiting(&snapshot).await });
        read.await.expect("the rows can be read").iter().map(|(_, count, _)| *count).sum()
    }

    /// How many events others are to be told, or were.
    pub async fn outgoing_events(&self) -> usize {
        let read =
            self.store.read(|snapshot| async move { outgoing_events::page(&snapshot, Position::START, 100_000).await });
        read.await.expect("the rows can be read").len()
    }
}
