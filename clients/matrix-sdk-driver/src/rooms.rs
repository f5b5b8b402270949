//! Rooms and the messages in them.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use matrix_sdk::{Room, RoomMemberships};
use matrix_sdk::deserialized_responses::TimelineEvent;
use matrix_sdk::room::MessagesOptions;
use matrix_sdk::ruma::api::client::room::create_room::v3::{Request, RoomPreset};
use matrix_sdk::ruma::events::InitialStateEvent;
use matrix_sdk::ruma::events::room::encryption::RoomEncryptionEventContent;
use matrix_sdk::ruma::events::room::message::RoomMessageEventContent;
use matrix_sdk::ruma::{RoomId, UInt, UserId};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::session::{PAUSE, Session};

pub async fn create(session: &Session, encrypted: bool, name: Option<String>, invite: Vec<String>) -> Result<Value> {
    let mut request = Request::new();
    request.preset = Some(RoomPreset::PrivateChat);
    request.name = name;
    for user in invite {
        request.invite.push(UserId::parse(&user).with_context(|| format!("`{user}` is no user id"))?);
    }
    if encrypted {
        let content = RoomEncryptionEventContent::with_recommended_defaults();
        request.initial_state.push(InitialStateEvent::with_empty_state_key(content).to_raw_any());
    }
    let room = session.client.create_room(request).await.context("creating a room")?;
    Ok(json!({ "room": room.room_id() }))
}

pub async fn invite(session: &Session, room: &str, user: &str) -> Result<Value> {
    let user = UserId::parse(user).with_context(|| format!("`{user}` is no user id"))?;
    let invited = session.room(room).await?.invite_user_by_id(&user).await;
    invited.with_context(|| format!("inviting {user} to {room}"))?;
    Ok(json!({}))
}

pub async fn join(session: &Session, room: &str) -> Result<Value> {
    let id = RoomId::parse(room).with_context(|| format!("`{room}` is no room id"))?;
    session.client.join_room_by_id(&id).await.with_context(|| format!("joining {room}"))?;
    Ok(json!({}))
}

pub fn list(session: &Session) -> Value {
    let ids = |rooms: Vec<Room>| rooms.iter().map(|room| room.room_id().to_string()).collect::<Vec<_>>();
    json!({ "invited": ids(session.client.invited_rooms()), "joined": ids(session.client.joined_rooms()) })
}

pub async fn wait_members(session: &Session, room: &str, count: u64, timeout: u64) -> Result<Value> {
    let room = session.room(room).await?;
    let until = Instant::now() + Duration::from_millis(timeout);
    loop {
        let members = room.members_no_sync(RoomMemberships::JOIN).await.context("looking at the members")?;
        if u64::try_from(members.len()).is_ok_and(|joined| joined == count) {
            return Ok(json!({}));
        }
        if Instant::now() > until {
            bail!("{} has {} joined members, not {count}", room.room_id(), members.len());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

pub async fn send(session: &Session, room: &str, body: &str) -> Result<Value> {
    let room = session.room(room).await?;
    let sent = room.send(RoomMessageEventContent::text_plain(body)).await;
    let sent = sent.with_context(|| format!("sending to {}", room.room_id()))?;
    Ok(json!({ "event": sent.response.event_id }))
}

pub async fn send_many(session: &Session, room: &str, bodies: &[String]) -> Result<Value> {
    let mut events = Vec::with_capacity(bodies.len());
    let room = session.room(room).await?;
    for body in bodies {
        let sent = room.send(RoomMessageEventContent::text_plain(body)).await;
        let number = events.len() + 1;
        let sent = sent.with_context(|| format!("sending message {number} to {}", room.room_id()))?;
        events.push(sent.response.event_id);
    }
    Ok(json!({ "events": events }))
}

/// Reads again while something cannot be decrypted yet: a key comes from the backup in the background.
pub async fn history(session: &Session, room: &str, limit: u32, timeout: u64) -> Result<Value> {
    let room = session.room(room).await?;
    let until = Instant::now() + Duration::from_millis(timeout);
    loop {
        let mut options = MessagesOptions::backward();
        options.limit = UInt::from(limit);
        let page =
            room.messages(options).await.with_context(|| format!("reading the history of {}", room.room_id()))?;
        let unreadable: Vec<String> = page
            .chunk
            .iter()
            .filter(|event| event.kind.is_utd())
            .filter_map(|event| event.event_id().map(|id| id.to_string()))
            .collect();
        if unreadable.is_empty() || Instant::now() > until {
            let messages: Vec<Value> = page.chunk.iter().rev().filter_map(message).collect();
            return Ok(json!({ "messages": messages, "unreadable": unreadable }));
        }
        if session.client.encryption().backups().are_enabled().await {
            let keys = session.client.encryption().backups().download_room_keys_for_room(room.room_id()).await;
            keys.with_context(|| format!("fetching the keys of {} from the backup", room.room_id()))?;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn message(event: &TimelineEvent) -> Option<Value> {
    let body = event.raw().get_field::<Value>("content").ok()??.get("body")?.clone();
    Some(json!({ "event": event.event_id(), "sender": event.sender(), "body": body }))
}
