//! Account data: what users keep for themselves and see on all of their devices.

pub mod filters;
pub mod ignored;
mod tags;

use std::sync::Arc;

use domicile_core::error::ErrorKind;
use domicile_store::{Batch, Store, table::account_data};
use ruma::RoomId;
use serde_json::value::RawValue;

pub use filters::Filters;
pub use ignored::Ignored;

use crate::{
    Error, Result, accounts::Session, error::not_found, events::wake::Wakers, push::PushClasses, rooms::Rooms,
};

/// Types that have endpoints of their own.
const OWN_ENDPOINT: [&str; 2] = ["m.fully_read", "m.push_rules"];
/// Types that one user may keep.
const LARGEST_COUNT: i64 = 20_000;
/// Bytes that one user may keep.
const LARGEST_SIZE: i64 = 32 * 1024 * 1024;

/// Account data.
pub struct AccountData {
    store: Store,
    rooms: Arc<Rooms>,
    wakers: Arc<Wakers>,
    ignored: Arc<Ignored>,
    classes: Arc<PushClasses>,
}

impl AccountData {
    /// Over a store.
    pub fn new(
        store: Store,
        rooms: Arc<Rooms>,
        wakers: Arc<Wakers>,
        ignored: Arc<Ignored>,
        classes: Arc<PushClasses>,
    ) -> Self {
        Self { store, rooms, wakers, ignored, classes }
    }

    /// Sets the content of a type, of no room or of one.
    pub async fn set(&self, by: &Session, room_id: Option<&RoomId>, kind: &str, content: &RawValue) -> Result<()> {
        if OWN_ENDPOINT.contains(&kind) {
            return Err(ErrorKind::UnrecognizedMethod.with(format!("{kind} has an endpoint of its own.")).into());
        }
        if kind.len() > domicile_core::limits::ID_BYTES {
            return Err(ErrorKind::InvalidParam.with("The type is too long.").into());
        }
        if !content.get().trim_start().starts_with('{') {
            return Err(ErrorKind::BadJson.with("The content of account data is an object.").into());
        }
        domicile_room::event::validate::depth(content.get())
            .map_err(|error| ErrorKind::BadJson.with(format!("{error}.")))?;
        let room_num = self.room_num(room_id).await?;
        self.check_room(by.user_num, content.get().len()).await?;
        self.write(by.user_num, room_num, kind, content.get()).await
    }

    /// Whether a user may keep one more content of a size.
    async fn check_room(&self, user_num: domicile_core::ids::UserNum, bytes: usize) -> Result<()> {
        let (count, size) =
            self.store.read(move |snapshot| async move { account_data::size(&snapshot, user_num).await }).await?;
        let grown = size.saturating_add(i64::try_from(bytes).unwrap_or(i64::MAX));
        if count >= LARGEST_COUNT || grown > LARGEST_SIZE {
            return Err(ErrorKind::TooLarge.with("Your account data is full: empty some of it first.").into());
        }
        Ok(())
    }

    /// Sets the content of a type without asking whether clients may.
    pub async fn write(
        &self,
        user_num: domicile_core::ids::UserNum,
        room_num: domicile_core::ids::RoomNum,
        kind: &str,
        content: &str,
    ) -> Result<()> {
        let mut batch = Batch::new();
        let position = batch.position();
        account_data::set(&mut batch, user_num, room_num, kind, content, position);
        self.store.write(batch).await?;
        if kind == ignored::KIND && room_num == account_data::GLOBAL {
            self.ignored.forget(user_num);
            self.classes.forget_all();
        }
        self.wakers.wake(user_num);
        Ok(())
    }

    /// The content of a type.
    pub async fn get(&self, by: &Session, room_id: Option<&RoomId>, kind: &str) -> Result<Box<RawValue>> {
        let room_num = self.room_num(room_id).await?;
        let (user_num, wanted) = (by.user_num, kind.to_owned());
        let found = self
            .store
            .read(move |snapshot| async move { account_data::get(&snapshot, user_num, room_num, &wanted).await })
            .await?;
        let found = found.ok_or_else(|| not_found(format!("You have no account data of the type {kind}.")))?;
        RawValue::from_string(found).map_err(Error::internal)
    }

    async fn room_num(&self, room_id: Option<&RoomId>) -> Result<domicile_core::ids::RoomNum> {
        match room_id {
            None => Ok(account_data::GLOBAL),
            Some(room_id) => {
                let found = self.rooms.num(room_id).await?;
                found.ok_or_else(|| not_found(format!("There is no room {room_id} here.")))
            }
        }
    }
}
