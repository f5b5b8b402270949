//! Coming and going: joins, invites, knocks, leaves.

use std::sync::Arc;

use domicile_core::{error::ErrorKind, ids::UserNum, locality::is_cell};
use domicile_room::{create::raw, event::EventDraft};
use domicile_store::{Batch, Store, table::memberships, table::profile_fields};
use ruma::{
    OwnedEventId, OwnedRoomId, OwnedServerName, OwnedUserId, RoomId, ServerName, UserId, events::TimelineEventType,
};
use serde_json::{Map, Value, json};

use super::{Membership, Room, Successions};
use crate::{
    Error, Result,
    accounts::{Session, Users},
    error::forbidden,
    events::send::Sender,
    federation::{RemoteProfiles, RemoteRooms},
    standing::is_notice_room,
};

/// What a change of membership says beside the membership.
#[derive(Clone, Debug, Default)]
pub struct MemberExtras {
    /// Why.
    pub reason: Option<String>,
    /// Who lets a restricted join pass.
    pub authorised_via: Option<OwnedUserId>,
}

/// Comings and goings.
pub struct Members {
    store: Store,
    users: Arc<Users>,
    sender: Arc<Sender>,
    successions: Arc<Successions>,
    profiles: Arc<RemoteProfiles>,
    remote: Arc<RemoteRooms>,
}

impl Members {
    /// Over a store and a sender.
    pub fn new(
        store: Store,
        users: Arc<Users>,
        sender: Arc<Sender>,
        successions: Arc<Successions>,
        remote: Arc<RemoteRooms>,
        profiles: Arc<RemoteProfiles>,
    ) -> Self {
        Self { store, users, sender, successions, profiles, remote }
    }

    /// Makes the events.
    pub(super) fn sender(&self) -> &Sender {
        &self.sender
    }

    /// The content of a member event: the membership, and what the user says of themselves.
    pub async fn content(&self, user_num: UserNum, membership: &str) -> Result<Map<String, Value>> {
        let fields =
            self.store.read(move |snapshot| async move { profile_fields::of_user(&snapshot, user_num).await }).await?;
        let mut content = Map::new();
        content.insert("membership".to_owned(), membership.into());
        let shows = self.users.localities().shows_profile(&self.users.id(user_num).await?);
        for (field, value) in fields {
            if shows && (field == "displayname" || field == "avatar_url") {
                content.insert(field, serde_json::from_str(&value).unwrap_or_default());
            }
        }
        Ok(content)
    }

    /// Joins a room as its rules allow: here, if this server is in it, else through one of the servers `via` which it may be had.
    pub async fn join(
        &self,
        by: &Session,
        room_id: &RoomId,
        via: &[OwnedServerName],
        reason: Option<String>,
    ) -> Result<()> {
        let Some(room) = self.sender.rooms().held(room_id).await? else {
            return self.join_elsewhere(by, room_id, via, reason).await;
        };
        if room.view().is_joined(by.user_num) {
            return Ok(());
        }
        // Whether the room keeps somebody out is told by their membership, which must be known.
        self.sender.rooms().with_members(&room).await?;
        let authorised_via = match self.restricted_join(&room, by.user_num).await {
            Ok(authorised_via) => authorised_via,
            // Somebody of another server may let them in.
            Err(Error::Matrix(error)) if error.kind == ErrorKind::UnableToAuthoriseJoin && !via.is_empty() => {
                return self.join_elsewhere(by, room_id, via, reason).await;
            }
            Err(error) => return Err(error),
        };
        let content = self.content(by.user_num, "join").await?;
        self.change(by, &room, &by.user_id, content, MemberExtras { reason, authorised_via }).await?;
        self.sender.presence().introduce(by.user_num);
        self.carry_over(by, &room).await;
        Ok(())
    }

    /// Joins through another server.
    async fn join_elsewhere(
        &self,
        by: &Session,
        room_id: &RoomId,
        via: &[OwnedServerName],
        reason: Option<String>,
    ) -> Result<()> {
        let mut content = self.content(by.user_num, "join").await?;
        if let Some(reason) = reason {
            content.insert("reason".to_owned(), reason.into());
        }
        let inviting = self.remote.inviting_server(by, room_id).await?;
        // A client names servers, never cells.
        let named = via.iter().filter(|server| !is_cell(server)).cloned();
        let via: Vec<OwnedServerName> = inviting.into_iter().chain(named).collect();
        let room = self.remote.join(by, room_id, &via, content).await?;
        self.carry_over(by, &room).await;
        Ok(())
    }

    async fn carry_over(&self, by: &Session, room: &Arc<Room>) {
        if let Err(error) = self.successions.carry_over(by, room).await {
            tracing::warn!(%error, "somebody's settings did not follow them to an upgraded room");
        }
    }

    /// Who lets `by` join a restricted room without an invite: a member with the power to invite, if `by` is in an allowed room.
    pub(super) async fn restricted_join(&self, room: &Room, user_num: UserNum) -> Result<Option<OwnedUserId>> {
        let view = room.view();
        if matches!(view.membership(user_num), Membership::Invite | Membership::Join) {
            return Ok(None);
        }
        let Some(rule) = view.facts.join_rules.as_ref().and_then(|pdu| pdu.content_as::<JoinRule>()) else {
            return Ok(None);
        };
        let restricted = matches!(rule.join_rule.as_str(), "restricted" | "knock_restricted");
        if !restricted || !room.info.rules.authorization.restricted_join_rule {
            return Ok(None);
        }
        for allowed in rule.allow.iter().filter(|allow| allow.kind == "m.room_membership") {
            let Some(room_id) = allowed.room_id.as_deref().and_then(|id| <&RoomId>::try_from(id).ok()) else {
                continue;
            };
            let Ok(other) = self.sender.rooms().get(room_id).await else { continue };
            if other.view().is_joined(user_num) {
                return Ok(Some(self.someone_who_may_invite(room).await?));
            }
        }
        Err(forbidden("This room is for members of certain other rooms, and you are in none of them."))
    }

    /// The same for somebody of another server.
    pub async fn who_lets_in(&self, room: &Room, user_id: &UserId) -> Result<Option<OwnedUserId>> {
        let user_num = self.target(user_id).await?;
        self.restricted_join(room, user_num).await
    }

    async fn someone_who_may_invite(&self, room: &Room) -> Result<OwnedUserId> {
        let view = room.view();
        let levels = &view.facts.power_levels;
        for user_id in std::iter::once(view.facts.create.sender().to_owned()).chain(levels.users.keys().cloned()) {
            if !self.users.is_local(&user_id) || !levels.user_can_invite(&user_id) {
                continue;
            }
            if let Some(user_num) = self.users.num(&user_id).await?
                && view.is_joined(user_num)
            {
                return Ok(user_id);
            }
        }
        for user_num in view.joined_members() {
            let user_id = self.users.id(user_num).await?;
            if self.users.is_local(&user_id) && levels.user_can_invite(&user_id) {
                return Ok(user_id);
            }
        }
        Err(ErrorKind::UnableToAuthoriseJoin.with("Nobody of this server in the room may let you in.").into())
    }

    /// Invites somebody.
    pub async fn invite(&self, by: &Session, room_id: &RoomId, target: &UserId, reason: Option<String>) -> Result<()> {
        let room = self.room_with_members(by, room_id).await?;
        let target_num = self.target(target).await?;
        match room.view().membership(target_num) {
            Membership::Join => return Err(forbidden(format!("{target} is in the room already."))),
            Membership::Ban => return Err(forbidden(format!("{target} is banned from the room: unban them first."))),
            _ => {}
        }
        let mut content = self.content(target_num, "invite").await?;
        if self.users.is_local(target) {
            return self.change(by, &room, target, content, MemberExtras { reason, ..MemberExtras::default() }).await;
        }
        // What somebody of this cell sends is under the rules of their own region.
        let localities = self.users.localities();
        if localities.shows_profile(target) && localities.shows_profile(&by.user_id) {
            content.extend(self.profiles.shown(target).await);
        }
        if let Some(reason) = reason {
            content.insert("reason".to_owned(), reason.into());
        }
        let draft = EventDraft {
            kind: TimelineEventType::RoomMember,
            sender: by.user_id.clone(),
            state_key: Some(target.to_string()),
            content: raw(&Value::Object(content)),
            redacts: None,
        };
        self.remote.invite(&room, draft, &self.peer_of(target)).await.map(drop)
    }

    /// Whether a user is of this cell.
    pub(super) fn is_local(&self, user_id: &UserId) -> bool {
        self.users.is_local(user_id)
    }

    /// Under which name whoever answers for a user is asked.
    pub(super) fn peer_of(&self, user_id: &UserId) -> OwnedServerName {
        self.users.localities().peer_of(user_id)
    }

    /// An invite of somebody of another server that is made already.
    pub(super) async fn invite_elsewhere(
        &self,
        by: &Session,
        room_id: &RoomId,
        draft: EventDraft,
        server: &ServerName,
    ) -> Result<OwnedEventId> {
        let room = self.member_room(by, room_id).await?;
        self.remote.invite(&room, draft, server).await
    }

    /// Asks to come.
    pub async fn knock(
        &self,
        by: &Session,
        room_id: &RoomId,
        via: &[OwnedServerName],
        reason: Option<String>,
    ) -> Result<()> {
        let mut content = self.content(by.user_num, "knock").await?;
        let Some(room) = self.sender.rooms().held(room_id).await? else {
            if let Some(reason) = reason {
                content.insert("reason".to_owned(), reason.into());
            }
            let named: Vec<OwnedServerName> = via.iter().filter(|server| !is_cell(server)).cloned().collect();
            return self.remote.knock(by, room_id, &named, content).await;
        };
        self.sender.rooms().with_members(&room).await?;
        self.change(by, &room, &by.user_id, content, MemberExtras { reason, ..MemberExtras::default() }).await
    }

    /// Leaves, or refuses an invite, or takes a knock back. Whoever has left has nothing to do.
    pub async fn leave(&self, by: &Session, room_id: &RoomId, reason: Option<String>) -> Result<()> {
        let Some(room) = self.sender.rooms().held(room_id).await? else {
            return self.remote.leave(by, room_id, reason).await;
        };
        let membership = room.view().members.get(&by.user_num).map(|member| member.membership);
        if membership == Some(Membership::Invite) && is_notice_room(&self.store, by.user_num, room_id).await? {
            let told = "The server tells you important things in this room: you can leave it once you have been in it.";
            return Err(ErrorKind::CannotLeaveServerNoticeRoom.with(told).into());
        }
        match membership {
            None => return Err(forbidden("You were never in this room.")),
            Some(Membership::Leave) => return Ok(()),
            Some(Membership::Ban) => return Err(forbidden("You are banned from this room.")),
            Some(_) => {}
        }
        let content = Map::from_iter([("membership".to_owned(), json!("leave"))]);
        self.change(by, &room, &by.user_id, content, MemberExtras { reason, ..MemberExtras::default() }).await
    }

    /// Forgets a room that the user has left.
    pub async fn forget(&self, by: &Session, room_id: &RoomId) -> Result<()> {
        let Some((room_num, membership)) = self.remote.membership(by, room_id).await? else {
            return Err(forbidden("You were never in this room."));
        };
        if !matches!(membership.membership.as_str(), "leave" | "ban") {
            return Err(ErrorKind::BadRequest.with("Leave the room before you forget it.").into());
        }
        let mut batch = Batch::new();
        memberships::forget(&mut batch, by.user_num, room_num);
        self.store.write(batch).await?;
        Ok(())
    }

    /// The rooms that a user is in.
    pub async fn joined_rooms(&self, user_num: UserNum) -> Result<Vec<OwnedRoomId>> {
        let events = Arc::clone(self.sender.events());
        self.store
            .read(move |snapshot| async move {
                let mut rooms = Vec::new();
                for row in memberships::of_user(&snapshot, user_num).await? {
                    if row.membership == "join" {
                        rooms.push(events.room_info(&snapshot, row.room_num).await?.room_id.clone());
                    }
                }
                Ok(rooms)
            })
            .await
    }

    /// A room that the user is in, when all of its members are known.
    pub(super) async fn room_with_members(&self, by: &Session, room_id: &RoomId) -> Result<Arc<Room>> {
        let room = self.member_room(by, room_id).await?;
        self.sender.rooms().with_members(&room).await?;
        Ok(room)
    }

    async fn member_room(&self, by: &Session, room_id: &RoomId) -> Result<Arc<Room>> {
        let room = self.sender.rooms().get(room_id).await?;
        if !room.view().is_joined(by.user_num) {
            return Err(forbidden("You are not in this room."));
        }
        Ok(room)
    }

    pub(super) async fn target(&self, target: &UserId) -> Result<UserNum> {
        let found = self.users.num_or_new(target).await?;
        Ok(found.ok_or_else(|| ErrorKind::NotFound.with(format!("There is no user {target}.")))?)
    }

    /// Sends a member event.
    pub async fn change(
        &self,
        by: &Session,
        room: &Room,
        target: &UserId,
        mut content: Map<String, Value>,
        extras: MemberExtras,
    ) -> Result<()> {
        if let Some(reason) = extras.reason {
            content.insert("reason".to_owned(), reason.into());
        }
        if let Some(user_id) = extras.authorised_via {
            content.insert("join_authorised_via_users_server".to_owned(), user_id.as_str().into());
        }
        let draft = EventDraft {
            kind: TimelineEventType::RoomMember,
            sender: by.user_id.clone(),
            state_key: Some(target.to_string()),
            content: raw(&Value::Object(content)),
            redacts: None,
        };
        self.sender.send(&room.info.room_id, (by.user_num, &by.user_id), draft, None).await?;
        Ok(())
    }
}

#[derive(serde::Deserialize)]
struct JoinRule {
    join_rule: String,
    #[serde(default)]
    allow: Vec<Allow>,
}

#[derive(serde::Deserialize)]
struct Allow {
    #[serde(rename = "type")]
    kind: String,
    room_id: Option<String>,
}
