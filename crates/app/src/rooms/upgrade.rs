//! Room upgrades (client-server, *Room Upgrades*): a new room of another version takes the place of an old one.
//!
//! The new room is made whole first; only then does one batch end the old one, with its tombstone, its aliases and its place in the
//! directory. Whatever fails before that leaves the old room as it was.

use std::sync::Arc;

use domicile_core::error::ErrorKind;
use domicile_room::{
    create::{self, CreateRoom, raw},
    event::EventDraft,
};
use domicile_store::{StoreError, table::aliases};
use ruma::{
    OwnedRoomId, OwnedUserId, RoomAliasId, RoomId, RoomVersionId,
    events::{StateEventType, TimelineEventType},
    room_version_rules::RoomVersionRules,
};
use serde_json::{Map, Value, json};

use super::{
    Members, Membership, Preset, Room, RoomView, StateKeys, Successions, create::is_offered, power_levels::PowerContent,
};
use crate::{
    Error, Result,
    accounts::Session,
    error::forbidden,
    events::send::{Sender, Staging},
};

/// State that goes on in the new room. Power levels come last, so that they do not keep their own maker from setting the rest.
const TRANSFERRED: [&str; 8] = [
    "m.room.server_acl",
    "m.room.encryption",
    "m.room.name",
    "m.room.avatar",
    "m.room.topic",
    "m.room.guest_access",
    "m.room.history_visibility",
    "m.room.join_rules",
];
/// Bans that go on in the new room.
const LARGEST_BANS: usize = 1_000;

/// Upgrades rooms.
pub struct Upgrades {
    sender: Arc<Sender>,
    members: Arc<Members>,
    keys: Arc<StateKeys>,
    successions: Arc<Successions>,
}

/// What the new room is to be.
struct Plan<'a> {
    by: &'a Session,
    old: &'a Arc<Room>,
    view: &'a RoomView,
    version: RoomVersionId,
    rules: RoomVersionRules,
    additional_creators: Vec<OwnedUserId>,
}

impl Upgrades {
    /// Over a sender.
    pub fn new(
        sender: Arc<Sender>,
        members: Arc<Members>,
        keys: Arc<StateKeys>,
        successions: Arc<Successions>,
    ) -> Self {
        Self { sender, members, keys, successions }
    }

    /// Puts a room of another version in a room's place.
    pub async fn upgrade(
        &self,
        by: &Session,
        room_id: &RoomId,
        version: RoomVersionId,
        additional_creators: Vec<OwnedUserId>,
    ) -> Result<OwnedRoomId> {
        let unsupported =
            || ErrorKind::UnsupportedRoomVersion.with(format!("Room version {version} is not known here."));
        let rules = version.rules().filter(|_| is_offered(&version)).ok_or_else(unsupported)?;
        let old = self.sender.rooms().get(room_id).await?;
        if old.view().is_joined(by.user_num) {
            self.sender.rooms().with_members(&old).await?;
        }
        let view = old.view();
        let may = view.facts.power_levels.user_can_send_state(&by.user_id, StateEventType::RoomTombstone);
        if !view.is_joined(by.user_num) || !may {
            return Err(forbidden("Only a member who may set the room's tombstone may upgrade it."));
        }
        let plan = Plan { by, old: &old, view: &view, version, rules, additional_creators };
        let new = self.replacement(&plan).await?;
        if let Err(error) = self.end(by, &old, &view, &new).await {
            self.abandon(by, &new).await;
            return Err(error);
        }
        // The upgrade stands; what follows is convenience.
        if view.is_public
            && let Err(error) = self.sender.list(&new, true).await
        {
            tracing::warn!(%error, "an upgraded room is not in the public directory");
        }
        if let Err(error) = self.successions.carry_over(by, &new).await {
            tracing::warn!(%error, "somebody's settings did not follow them to an upgraded room");
        }
        Ok(new.info.room_id.clone())
    }

    /// Makes the new room, whole.
    async fn replacement(&self, plan: &Plan<'_>) -> Result<Arc<Room>> {
        let request = CreateRoom {
            creator: plan.by.user_id.clone(),
            creator_member: self.members.content(plan.by.user_num, "join").await?,
            version: plan.version.clone(),
            preset: Preset::PrivateChat,
            creation_content: plan.creation_content(),
            initial_state: Vec::new(),
            power_level_override: Map::new(),
            invite: Vec::new(),
            name: None,
            topic: None,
            alias: None,
            encrypt: false,
        };
        let refused = |error| Error::from(ErrorKind::BadJson.with(format!("The room cannot be upgraded: {error}.")));
        let create_event = create::create_event(&request, &plan.rules).map_err(refused)?;
        let mut staging = self.sender.begin_room(&plan.version, create_event).await?;
        let joined = Value::Object(request.creator_member);
        self.stage(&mut staging, plan.by, "m.room.member", plan.by.user_id.as_str(), &joined).await?;
        for kind in TRANSFERRED {
            if let Some(content) = self.content(plan.view, kind).await? {
                self.stage(&mut staging, plan.by, kind, "", &Value::Object(content)).await?;
            }
        }
        if let Some(content) = self.canonical_alias(plan).await? {
            self.stage(&mut staging, plan.by, "m.room.canonical_alias", "", &content).await?;
        }
        self.ban_again(&mut staging, plan).await?;
        if let Some(content) = self.content(plan.view, "m.room.power_levels").await? {
            let content = plan.power_levels(content);
            self.stage(&mut staging, plan.by, "m.room.power_levels", "", &Value::Object(content)).await?;
        }
        let (room, _) = self.sender.commit(None, staging).await?;
        Ok(room)
    }

    /// The canonical alias, as far as its names move.
    async fn canonical_alias(&self, plan: &Plan<'_>) -> Result<Option<Value>> {
        let Some(content) = self.content(plan.view, "m.room.canonical_alias").await? else { return Ok(None) };
        let moves = |alias: &Value| {
            let alias = alias.as_str().and_then(|alias| <&RoomAliasId>::try_from(alias).ok());
            alias.is_some_and(|alias| alias.server_name() == plan.by.user_id.server_name())
        };
        let mut kept = Map::new();
        kept.extend(content.get("alias").filter(|alias| moves(alias)).map(|alias| ("alias".to_owned(), alias.clone())));
        let others = content.get("alt_aliases").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let others: Vec<Value> = others.iter().filter(|alias| moves(alias)).cloned().collect();
        if !others.is_empty() {
            kept.insert("alt_aliases".to_owned(), others.into());
        }
        Ok((!kept.is_empty()).then_some(Value::Object(kept)))
    }

    /// Who was kept out of the old room is kept out of the new one: the upgrader bans them themself.
    async fn ban_again(&self, staging: &mut Staging, plan: &Plan<'_>) -> Result<()> {
        let banned = plan.view.members.values().filter(|member| member.membership == Membership::Ban);
        let mut nums: Vec<_> = banned.map(|member| member.event_num).collect();
        nums.sort_unstable();
        if nums.len() > LARGEST_BANS {
            tracing::warn!(bans = nums.len(), carried = LARGEST_BANS, "an upgraded room keeps its newest bans only");
            nums.drain(..nums.len() - LARGEST_BANS);
        }
        for event in self.sender.events().get_many(nums).await? {
            let Some(target) = event.pdu.state_key() else { continue };
            let reason = event.pdu.content_as::<Map<String, Value>>().and_then(|mut content| content.remove("reason"));
            let mut content = json!({ "membership": "ban" });
            if let Some(reason) = reason {
                content["reason"] = reason;
            }
            self.stage(staging, plan.by, "m.room.member", target, &content).await?;
        }
        Ok(())
    }

    /// Ends the old room: tombstone, power levels, aliases and its place in the directory, in one batch.
    async fn end(&self, by: &Session, old: &Arc<Room>, before: &RoomView, new: &Arc<Room>) -> Result<()> {
        let tombstone_key = self.keys.intern("m.room.tombstone", "").await?;
        let mut tries = 0;
        loop {
            tries += 1;
            let _writer = old.writer().await;
            if old.view().state.get(&tombstone_key) != before.state.get(&tombstone_key) {
                return Err(ErrorKind::BadRequest.with("Somebody else has just upgraded this room.").into());
            }
            let mut staging = self.sender.begin(old);
            let tombstone = json!({ "body": "This room has been replaced.", "replacement_room": new.info.room_id });
            self.stage(&mut staging, by, "m.room.tombstone", "", &tombstone).await?;
            let view = old.view();
            if self.content(&view, "m.room.canonical_alias").await?.is_some_and(|content| !content.is_empty()) {
                let emptied = self.stage(&mut staging, by, "m.room.canonical_alias", "", &json!({})).await;
                if_possible(emptied)?;
            }
            if let Some(content) = self.content(&view, "m.room.power_levels").await? {
                let quiet = PowerContent::new(content).quiet();
                let quiet = self.stage(&mut staging, by, "m.room.power_levels", "", &Value::Object(quiet)).await;
                if_possible(quiet)?;
            }
            aliases::move_all(&mut staging.batch, old.info.room_num, new.info.room_num);
            if staging.view.is_public {
                self.sender.stage_listing(&mut staging, false).await?;
            }
            match self.sender.commit(Some(old), staging).await {
                Err(Error::Store(StoreError::Conflict("rooms.revision"))) if tries < 5 => {
                    self.sender.rooms().reload(old).await?;
                }
                other => return other.map(|_| ()),
            }
        }
    }

    /// Leaves a new room that took nobody's place.
    async fn abandon(&self, by: &Session, new: &Room) {
        let left = self.members.leave(by, &new.info.room_id, None).await;
        if let Err(error) = left.and(self.members.forget(by, &new.info.room_id).await) {
            tracing::warn!(%error, "a room of an upgrade that failed is left behind");
        }
    }

    async fn stage(
        &self,
        staging: &mut Staging,
        by: &Session,
        kind: &str,
        state_key: &str,
        content: &Value,
    ) -> Result<()> {
        let draft = EventDraft {
            kind: TimelineEventType::from(kind),
            sender: by.user_id.clone(),
            state_key: Some(state_key.to_owned()),
            content: raw(content),
            redacts: None,
        };
        self.sender.stage(staging, draft).await.map(|_| ())
    }

    async fn content(&self, view: &RoomView, kind: &str) -> Result<Option<Map<String, Value>>> {
        let Some(key_num) = self.keys.find(kind, "").await? else { return Ok(None) };
        let Some(event_num) = view.state.get(&key_num) else { return Ok(None) };
        Ok(self.sender.events().get(*event_num).await?.pdu.content_as())
    }
}

impl Plan<'_> {
    fn creation_content(&self) -> Map<String, Value> {
        let old: Map<String, Value> = self.view.facts.create.content_as().unwrap_or_default();
        let mut content = Map::new();
        for key in ["type", "m.federate"] {
            content.extend(old.get(key).map(|value| (key.to_owned(), value.clone())));
        }
        let mut predecessor = json!({ "room_id": self.old.info.room_id });
        if !self.rules.authorization.room_create_event_id_as_room_id {
            let last = self.view.extremities.last().map(|(_, event_id)| event_id.to_string());
            predecessor["event_id"] = last.into();
        }
        content.insert("predecessor".to_owned(), predecessor);
        if self.rules.authorization.additional_room_creators && !self.additional_creators.is_empty() {
            content.insert("additional_creators".to_owned(), json!(self.additional_creators));
        }
        content
    }

    /// The old room's power levels as the new version wants them.
    fn power_levels(&self, content: Map<String, Value>) -> Map<String, Value> {
        let mut levels = PowerContent::new(content);
        if self.rules.authorization.explicitly_privilege_room_creators {
            // Creators have all power there, and may not be named.
            levels.forget_user(&self.by.user_id);
            for creator in &self.additional_creators {
                levels.forget_user(creator);
            }
        } else if self.old.info.rules.authorization.explicitly_privilege_room_creators {
            levels.raise_user(&self.by.user_id, 100);
        }
        levels.into_content()
    }
}

/// What the specification asks for only where it is allowed.
fn if_possible(staged: Result<()>) -> Result<()> {
    match staged {
        Err(Error::Matrix(error)) if error.kind == ErrorKind::Forbidden => Ok(()),
        other => other,
    }
}
