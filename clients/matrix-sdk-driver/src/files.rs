//! Files in rooms: uploaded and downloaded, and encrypted where the room is.

use anyhow::{Context as _, Result};
use matrix_sdk::attachment::AttachmentConfig;
use matrix_sdk::ruma::EventId;
use matrix_sdk::ruma::events::room::message::FileMessageEventContent;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::session::Session;

pub async fn send(session: &Session, room: &str, name: String, text: String) -> Result<Value> {
    let room = session.room(room).await?;
    let sent = room.send_attachment(name, &mime::TEXT_PLAIN, text.into_bytes(), AttachmentConfig::new()).await;
    let sent = sent.with_context(|| format!("sending a file to {}", room.room_id()))?;
    Ok(json!({ "event": sent.event_id }))
}

#[derive(Deserialize)]
struct Event {
    content: FileMessageEventContent,
}

pub async fn read(session: &Session, room: &str, event: &str) -> Result<Value> {
    let room = session.room(room).await?;
    let id = EventId::parse(event).with_context(|| format!("`{event}` is no event id"))?;
    let event = room.event(&id, None).await.with_context(|| format!("fetching {id}"))?;
    let event: Event = event.raw().deserialize_as_unchecked().with_context(|| format!("reading {id} as a file"))?;
    let bytes = session.client.media().get_file(&event.content, false).await;
    let bytes = bytes.with_context(|| format!("downloading the file of {id}"))?.context("the file has no source")?;
    Ok(json!({ "text": String::from_utf8(bytes).context("the file is no text")? }))
}
