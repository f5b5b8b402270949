//! Profiles: what users say about themselves to others, field by field.

use std::{collections::BTreeMap, sync::Arc};

use domicile_core::{error::ErrorKind, limits, locality::Locality};
use domicile_store::{
    Batch, Store,
    table::{memberships, profile_fields, user_words},
};
use ruma::{ServerName, UserId};
use serde_json::Value;

use crate::{
    Result,
    accounts::{Session, Users, user_directory},
    error::{forbidden, not_found},
    events::ShownNames,
    federation::RemoteProfiles,
    rooms::{Members, Rooms, members::MemberExtras},
};

/// Fields that also stand in every member event.
const IN_ROOMS: [&str; 2] = ["displayname", "avatar_url"];

/// Profiles.
pub struct Profiles {
    store: Store,
    users: Arc<Users>,
    rooms: Arc<Rooms>,
    members: Arc<Members>,
    remote: Arc<RemoteProfiles>,
    names: Arc<ShownNames>,
}

impl Profiles {
    /// Over a store, with the rooms that show what changes.
    pub fn new(
        store: Store,
        users: Arc<Users>,
        rooms: Arc<Rooms>,
        members: Arc<Members>,
        remote: Arc<RemoteProfiles>,
        names: Arc<ShownNames>,
    ) -> Self {
        Self { store, users, rooms, members, remote, names }
    }

    /// All fields of a user, of whatever server.
    pub async fn get(&self, user_id: &UserId) -> Result<BTreeMap<String, Value>> {
        self.users.localities().meet(&[user_id]).await?;
        if self.users.localities().of(user_id) == Locality::Unknown {
            return Err(not_found(format!("There is no user {user_id}.")));
        }
        if !self.users.is_local(user_id) {
            return Ok(BTreeMap::clone(&*self.remote.get(user_id).await?));
        }
        let missing = || not_found(format!("There is no user {user_id}."));
        let user_num = self.users.num(user_id).await?.ok_or_else(missing)?;
        let fields =
            self.store.read(move |snapshot| async move { profile_fields::of_user(&snapshot, user_num).await }).await?;
        Ok(fields.into_iter().map(|(field, value)| (field, serde_json::from_str(&value).unwrap_or_default())).collect())
    }

    /// The profile of a user of this server, or, if `field` names one, that field alone: for other servers and cells. Who is nobody, and who is at
    /// home elsewhere, is one answer.
    pub async fn of_ours(
        &self,
        origin: &ServerName,
        user_id: &UserId,
        field: Option<&str>,
    ) -> Result<BTreeMap<String, Value>> {
        self.users.localities().check_strangers(&self.store, origin, &[user_id]).await?;
        if !self.users.is_local(user_id) {
            return Err(not_found(format!("There is no user {user_id}.")));
        }
        let mut fields = self.get(user_id).await?;
        if let Some(field) = field {
            fields.retain(|known, _| known == field);
        }
        Ok(fields)
    }

    /// One field of a user.
    pub async fn field(&self, user_id: &UserId, field: &str) -> Result<Value> {
        let mut fields = self.get(user_id).await?;
        fields.remove(field).ok_or_else(|| not_found(format!("{user_id} has no field `{field}` in their profile.")))
    }

    /// Sets a field of one's own profile, or, without a value, removes it; rooms show it afterwards.
    pub async fn set(&self, by: &Session, user_id: &UserId, field: &str, value: Option<Value>) -> Result<()> {
        if *user_id != by.user_id {
            return Err(forbidden("You can change your own profile only."));
        }
        if field.len() > limits::ID_BYTES || field.is_empty() {
            return Err(ErrorKind::KeyTooLarge.with("A field's name has 1 to 255 bytes.").into());
        }
        if let Some(value) = &value {
            if IN_ROOMS.contains(&field) && !value.is_string() && !value.is_null() {
                return Err(ErrorKind::BadJson.with(format!("`{field}` must be text.")).into());
            }
            self.check_size(user_id, field, value).await?;
        }
        let mut batch = Batch::new();
        if field == "displayname" {
            let words = user_directory::words(by.user_id.localpart(), value.as_ref().and_then(Value::as_str));
            user_words::replace(&mut batch, by.user_num, &words);
        }
        match value.filter(|value| !value.is_null()) {
            Some(value) => profile_fields::set(&mut batch, by.user_num, field, &value.to_string()),
            None => profile_fields::remove(&mut batch, by.user_num, field),
        }
        self.store.write(batch).await?;
        self.names.changed(&by.user_id);
        if IN_ROOMS.contains(&field) {
            self.show_in_rooms(by).await?;
        }
        Ok(())
    }

    async fn check_size(&self, user_id: &UserId, field: &str, value: &Value) -> Result<()> {
        let mut fields = self.get(user_id).await?;
        fields.insert(field.to_owned(), value.clone());
        let size = serde_json::to_string(&fields).map_or(usize::MAX, |text| text.len());
        if size > limits::PROFILE_BYTES {
            let told = format!("A profile has at most {} bytes.", limits::PROFILE_BYTES);
            return Err(ErrorKind::ProfileTooLarge.with(told).into());
        }
        Ok(())
    }

    /// Sends a new member event to every room that the user is in.
    async fn show_in_rooms(&self, by: &Session) -> Result<()> {
        let user_num = by.user_num;
        let rows =
            self.store.read(move |snapshot| async move { memberships::of_user(&snapshot, user_num).await }).await?;
        for row in rows.into_iter().filter(|row| row.membership == "join") {
            let room = self.rooms.by_num(row.room_num).await?;
            let content = self.members.content(user_num, "join").await?;
            // One room that does not allow it keeps no other from showing the new name.
            if let Err(error) = self.members.change(by, &room, &by.user_id, content, MemberExtras::default()).await {
                tracing::warn!(%error, "a room does not show a changed profile");
            }
        }
        Ok(())
    }
}
