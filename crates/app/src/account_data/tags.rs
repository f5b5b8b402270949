//! Tags of rooms: one entry at a time of the account data `m.tag`.

use domicile_core::{error::ErrorKind, limits};
use domicile_store::{Batch, StoreError, table::account_data};
use ruma::{RoomId, UserId};
use serde_json::{Map, Value};

use super::AccountData;
use crate::{Error, Result, accounts::Session, error::forbidden};

/// The type under which they are kept.
const KIND: &str = "m.tag";

impl AccountData {
    /// The tags of a room.
    pub async fn tags(&self, by: &Session, user_id: &UserId, room_id: &RoomId) -> Result<Map<String, Value>> {
        own(by, user_id)?;
        let room_num = self.room_num(Some(room_id)).await?;
        let (content, _) = self.kept(by, room_num).await?;
        Ok(content.get("tags").and_then(Value::as_object).cloned().unwrap_or_default())
    }

    /// Gives a room a tag, or the tag something else to say.
    pub async fn set_tag(
        &self,
        by: &Session,
        user_id: &UserId,
        room_id: &RoomId,
        tag: &str,
        info: Map<String, Value>,
    ) -> Result<()> {
        own(by, user_id)?;
        if tag.len() > limits::ID_BYTES {
            return Err(ErrorKind::InvalidParam.with("A tag has at most 255 bytes.").into());
        }
        let fits = |order: &Value| order.as_f64().is_some_and(|order| (0.0..=1.0).contains(&order));
        if info.get("order").is_some_and(|order| !fits(order)) {
            return Err(ErrorKind::InvalidParam.with("`order` is a number from 0 to 1.").into());
        }
        let info = Value::Object(info);
        self.change(by, room_id, |tags| {
            tags.insert(tag.to_owned(), info.clone());
        })
        .await
    }

    /// Takes a tag away; one that is not there is gone already.
    pub async fn remove_tag(&self, by: &Session, user_id: &UserId, room_id: &RoomId, tag: &str) -> Result<()> {
        own(by, user_id)?;
        self.change(by, room_id, |tags| {
            tags.remove(tag);
        })
        .await
    }

    /// Changes what is kept, whoever else changes it at the same time.
    async fn change(&self, by: &Session, room_id: &RoomId, change: impl Fn(&mut Map<String, Value>)) -> Result<()> {
        let room_num = self.room_num(Some(room_id)).await?;
        let mut tries = 0;
        loop {
            tries += 1;
            let (mut content, before) = self.kept(by, room_num).await?;
            let tags = content.entry("tags").or_insert_with(|| Map::new().into());
            if !tags.is_object() {
                *tags = Map::new().into();
            }
            if let Some(tags) = tags.as_object_mut() {
                change(tags);
            }
            let content = Value::Object(content).to_string();
            domicile_room::event::validate::depth(&content)
                .map_err(|error| ErrorKind::BadJson.with(format!("{error}.")))?;
            self.check_room(by.user_num, content.len()).await?;
            let mut batch = Batch::new();
            let position = batch.position();
            account_data::replace(&mut batch, (by.user_num, room_num), KIND, &content, before, position);
            match self.store.write(batch).await {
                Ok(_) => {
                    self.wakers.wake(by.user_num);
                    return Ok(());
                }
                Err(StoreError::Conflict(_)) if tries < 5 => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// What is kept for a room, and the position of its last change.
    async fn kept(
        &self,
        by: &Session,
        room_num: domicile_core::ids::RoomNum,
    ) -> Result<(Map<String, Value>, Option<domicile_core::ids::Position>)> {
        let user_num = by.user_num;
        let found = self
            .store
            .read(move |snapshot| async move {
                account_data::get_at(&snapshot, user_num, room_num, KIND).await.map_err(Error::from)
            })
            .await?;
        let Some((content, position)) = found else { return Ok((Map::new(), None)) };
        Ok((serde_json::from_str(&content).unwrap_or_default(), Some(position)))
    }
}

fn own(by: &Session, user_id: &UserId) -> Result<()> {
    if *user_id == by.user_id { Ok(()) } else { Err(forbidden("You can tag rooms for yourself only.")) }
}
