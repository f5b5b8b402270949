//! Two servers with a room that both are in.

use axum::http::Method;
use domicile_app::events::send::{EventDraft, raw};
use domicile_testkit::server::{Answered, TestServer, TestUser};
use ruma::{OwnedRoomId, OwnedUserId, events::TimelineEventType};
use serde_json::{Value, json};

pub(crate) const V3: &str = "/_matrix/client/v3";
pub(crate) const V1: &str = "/_matrix/federation/v1";

/// A room of `alice` on a server.
pub(crate) async fn room(alice: &TestUser, request: Value) -> String {
    alice.post(&format!("{V3}/createRoom"), &request).await.ok()["room_id"].as_str().unwrap().to_owned()
}

/// A message of somebody, and its id.
pub(crate) async fn say(by: &TestUser, room: &str, text: &str) -> String {
    let path = format!("{V3}/rooms/{room}/send/m.room.message/{}", text.replace(' ', "_"));
    let answer = by.put(&path, &json!({ "msgtype": "m.text", "body": text })).await.ok();
    answer["event_id"].as_str().unwrap().to_owned()
}

/// Lets a user of another server be joined to a room, as if they had come by themselves.
pub(crate) async fn let_in(server: &TestServer, room: &str, user_id: &str) {
    let user_id = OwnedUserId::try_from(user_id).unwrap();
    let draft = EventDraft {
        kind: TimelineEventType::RoomMember,
        sender: user_id.clone(),
        state_key: Some(user_id.to_string()),
        content: raw(&json!({ "membership": "join" })),
        redacts: None,
    };
    let user_num = server.services.users.num_or_new(&user_id).await.unwrap().unwrap();
    let room = OwnedRoomId::try_from(room).unwrap();
    server.services.sender.send(&room, (user_num, &user_id), draft, None).await.unwrap();
}

/// What `to` answers a signed request of `from`.
pub(crate) async fn ask(
    from: &TestServer,
    to: &TestServer,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Answered {
    to.anonymous().request(from.sign(&to.name(), method, path, body)).await
}

/// The same with `GET`.
pub(crate) async fn get(from: &TestServer, to: &TestServer, path: &str) -> Answered {
    ask(from, to, Method::GET, path, None).await
}

/// A picture as PNG.
pub(crate) fn png(side: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::DynamicImage::new_rgb8(side, side).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// Uploads a file and gives its id.
pub(crate) async fn upload(by: &TestUser, content: Vec<u8>, content_type: &str) -> String {
    let request = axum::http::Request::builder()
        .method(Method::POST)
        .uri("/_matrix/media/v3/upload?filename=the%20file")
        .header("content-type", content_type)
        .header("authorization", format!("Bearer {}", by.token.clone().unwrap()))
        .body(content.into())
        .unwrap();
    let uri = by.request(request).await.ok()["content_uri"].as_str().unwrap().to_owned();
    uri.rsplit_once('/').unwrap().1.to_owned()
}
