//! A room in short: what somebody is shown who thinks of joining it, and who may be shown it.

use std::sync::Arc;

use domicile_core::ids::{RoomNum, UserNum};
use domicile_room::event::Pdu;
use domicile_store::{
    Snapshot, Store,
    table::{memberships, public_rooms::PublicRoom, rooms},
};
use ruma::{
    OwnedMxcUri, OwnedRoomAliasId, OwnedRoomId, OwnedServerName, RoomId,
    events::TimelineEventType,
    room::{JoinRuleSummary, RestrictedSummary, RoomSummary},
};
use serde::{Deserialize, de::IgnoredAny};

use super::{Membership, RoomInfo, Rooms, StateKeys, StateTrees};
use crate::{Result, accounts::Session, error::not_found, events::Events, federation::RemoteSpaces};

/// The types of state from which a summary is made; all have an empty state key.
pub const KINDS: [&str; 9] = [
    "m.room.create",
    "m.room.join_rules",
    "m.room.history_visibility",
    "m.room.guest_access",
    "m.room.name",
    "m.room.topic",
    "m.room.avatar",
    "m.room.canonical_alias",
    "m.room.encryption",
];
/// Rooms of a restricted join rule that are looked at.
pub const ALLOWED_LOOKED_AT: usize = 20;

/// A room in short.
#[derive(Clone, Debug)]
pub struct Summary {
    /// What never changes.
    pub info: Arc<RoomInfo>,
    /// How many are joined.
    pub joined: i64,
    /// The name.
    pub name: Option<String>,
    /// The topic.
    pub topic: Option<String>,
    /// The canonical alias.
    pub canonical_alias: Option<OwnedRoomAliasId>,
    /// The avatar.
    pub avatar_url: Option<OwnedMxcUri>,
    /// The type.
    pub room_type: Option<String>,
    /// The word of the join rule.
    pub join_rule: String,
    /// The rooms whose members may join, if the rule says so.
    pub allowed: Vec<OwnedRoomId>,
    /// Whether all the world reads it.
    pub world_readable: bool,
    /// Whether guests may join.
    pub guest_can_join: bool,
    /// The algorithm, if it is encrypted.
    pub encryption: Option<String>,
}

impl Summary {
    /// The summary of a room from those of its state events that are there.
    pub fn new(info: Arc<RoomInfo>, joined: usize, state: impl IntoIterator<Item = Arc<Pdu>>) -> Self {
        let mut summary = Self {
            info,
            joined: i64::try_from(joined).unwrap_or(i64::MAX),
            name: None,
            topic: None,
            canonical_alias: None,
            avatar_url: None,
            room_type: None,
            join_rule: "invite".to_owned(),
            allowed: Vec::new(),
            world_readable: false,
            guest_can_join: false,
            encryption: None,
        };
        for pdu in state {
            summary.take(&pdu);
        }
        summary
    }

    fn take(&mut self, pdu: &Pdu) {
        match pdu.kind() {
            TimelineEventType::RoomCreate => self.room_type = text(pdu, "type"),
            TimelineEventType::RoomJoinRules => self.take_join_rule(pdu),
            TimelineEventType::RoomHistoryVisibility => {
                self.world_readable = text(pdu, "history_visibility").is_some_and(|word| word == "world_readable");
            }
            TimelineEventType::RoomGuestAccess => {
                self.guest_can_join = text(pdu, "guest_access").is_some_and(|word| word == "can_join");
            }
            TimelineEventType::RoomName => self.name = text(pdu, "name"),
            TimelineEventType::RoomTopic => self.topic = text(pdu, "topic"),
            TimelineEventType::RoomAvatar => self.avatar_url = text(pdu, "url").map(Into::into),
            TimelineEventType::RoomCanonicalAlias => {
                self.canonical_alias = text(pdu, "alias").and_then(|alias| alias.try_into().ok());
            }
            TimelineEventType::RoomEncryption => self.encryption = text(pdu, "algorithm"),
            _ => {}
        }
    }

    fn take_join_rule(&mut self, pdu: &Pdu) {
        #[derive(Deserialize)]
        struct Content {
            #[serde(default)]
            allow: Vec<serde_json::Value>,
        }
        let Some(rule) = text(pdu, "join_rule") else { return };
        if self.info.rules.authorization.restricted_join_rule && matches!(&*rule, "restricted" | "knock_restricted") {
            let allow = pdu.content_as::<Content>().map(|content| content.allow).unwrap_or_default();
            let rooms = allow.iter().filter(|allow| allow["type"] == "m.room_membership");
            let rooms = rooms.filter_map(|allow| allow["room_id"].as_str()).filter(|room_id| !room_id.contains('\0'));
            self.allowed = rooms.filter_map(|room_id| room_id.try_into().ok()).collect();
        }
        self.join_rule = rule;
    }

    /// Whether somebody may ask to come.
    pub fn is_knockable(&self) -> bool {
        let rules = &self.info.rules.authorization;
        match &*self.join_rule {
            "knock" => rules.knocking,
            "knock_restricted" => rules.knock_restricted_join_rule,
            _ => false,
        }
    }

    /// The summary as Matrix has it. A join rule that nobody knows lets nobody in.
    pub fn to_matrix(&self) -> RoomSummary {
        let allowed = || RestrictedSummary::new(self.allowed.clone());
        let join_rule = match &*self.join_rule {
            "public" => JoinRuleSummary::Public,
            "knock" => JoinRuleSummary::Knock,
            "private" => JoinRuleSummary::Private,
            "restricted" => JoinRuleSummary::Restricted(allowed()),
            "knock_restricted" => JoinRuleSummary::KnockRestricted(allowed()),
            _ => JoinRuleSummary::Invite,
        };
        let joined = u32::try_from(self.joined).unwrap_or(u32::MAX).into();
        let room_id = self.info.room_id.clone();
        let mut summary = RoomSummary::new(room_id, join_rule, self.guest_can_join, joined, self.world_readable);
        summary.canonical_alias.clone_from(&self.canonical_alias);
        summary.name.clone_from(&self.name);
        summary.topic.clone_from(&self.topic);
        summary.avatar_url.clone_from(&self.avatar_url);
        summary.room_type = self.room_type.as_deref().map(Into::into);
        summary.encryption = self.encryption.as_deref().map(Into::into);
        summary.room_version = Some(self.info.version.clone());
        summary
    }

    /// What the directory shows.
    pub fn public(&self) -> PublicRoom {
        let alias = self.canonical_alias.as_ref().map(ToString::to_string);
        let parts = [self.name.as_deref(), self.topic.as_deref(), alias.as_deref()];
        let search: Vec<&str> = parts.into_iter().flatten().collect();
        PublicRoom {
            room_num: self.info.room_num,
            joined: self.joined,
            name: self.name.clone(),
            topic: self.topic.clone(),
            search: search.join("\n").to_lowercase(),
            canonical_alias: alias,
            avatar_url: self.avatar_url.as_ref().map(ToString::to_string),
            join_rule: self.join_rule.clone(),
            room_type: self.room_type.clone().unwrap_or_default(),
            world_readable: self.world_readable,
            guest_can_join: self.guest_can_join,
        }
    }
}

/// A text of an event's content that is not empty. What has a NUL in it fits no database, and names nothing.
fn text(pdu: &Pdu, key: &str) -> Option<String> {
    let content: std::collections::BTreeMap<String, Text> = pdu.content_as()?;
    match content.into_iter().find(|(known, _)| known == key)?.1 {
        Text::Text(text) if !text.is_empty() && !text.contains('\0') => Some(text),
        _ => None,
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Text {
    Text(String),
    Other(IgnoredAny),
}

/// Makes summaries for those who may see them.
pub struct Summaries {
    store: Store,
    rooms: Arc<Rooms>,
    events: Arc<Events>,
    keys: Arc<StateKeys>,
    trees: Arc<StateTrees>,
    remote: Arc<RemoteSpaces>,
}

impl Summaries {
    /// Over a store and what of it is in memory; rooms that are not here are asked for elsewhere.
    pub fn new(
        store: Store,
        rooms: Arc<Rooms>,
        events: Arc<Events>,
        keys: Arc<StateKeys>,
        trees: Arc<StateTrees>,
        remote: Arc<RemoteSpaces>,
    ) -> Self {
        Self { store, rooms, events, keys, trees, remote }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn parts(&self) -> (&Events, &StateTrees) {
        (&self.events, &self.trees)
    }

    /// A room for somebody, who may be nobody, and their membership in it. For somebody, `via` are asked about a room that is not here.
    pub async fn get(
        self: &Arc<Self>,
        by: Option<&Session>,
        room_id: &RoomId,
        via: &[OwnedServerName],
    ) -> Result<(RoomSummary, Membership)> {
        // What somebody may not see is not told from what is not there.
        let missing = || not_found("There is no such room, or you may not see it.");
        let (this, wanted, user) = (Arc::clone(self), room_id.to_owned(), by.map(|session| session.user_num));
        let here = self.store.read(move |snapshot| async move {
            let Some(row) = rooms::by_id(&snapshot, wanted.as_str()).await? else { return Ok(None) };
            let membership = this.membership(&snapshot, user, row.room_num).await?;
            if !row.has_copy {
                return Ok(Some((None, membership)));
            }
            let summary = this.load(&snapshot, &row).await?;
            if this.may_see(&snapshot, user, &summary, membership).await? {
                Ok(Some((Some(summary.to_matrix()), membership)))
            } else {
                Err(missing())
            }
        });
        let membership = match here.await? {
            Some((Some(summary), membership)) => return Ok((summary, membership)),
            Some((None, membership)) => membership,
            None => Membership::Leave,
        };
        // A stranger has this server ask nobody.
        let Some(user_num) = user else { return Err(missing()) };
        let mut servers: Vec<OwnedServerName> = via.to_vec();
        servers.extend(room_id.server_name().map(ToOwned::to_owned));
        let summary = self.remote.summary(room_id, &servers).await.ok_or_else(missing)?;
        if !self.may_see_elsewhere(user_num, &summary).await? {
            return Err(missing());
        }
        Ok((RoomSummary::clone(&summary), membership))
    }

    /// Whether somebody may see what a room is of which there is no copy here.
    pub(super) async fn may_see_elsewhere(&self, user_num: UserNum, summary: &RoomSummary) -> Result<bool> {
        let open = summary.world_readable
            || matches!(summary.join_rule, JoinRuleSummary::Public | JoinRuleSummary::Knock)
            || matches!(summary.join_rule, JoinRuleSummary::KnockRestricted(_));
        let allowed: Vec<OwnedRoomId> = match &summary.join_rule {
            JoinRuleSummary::Restricted(restricted) => restricted.allowed_room_ids.clone(),
            _ => Vec::new(),
        };
        let room_id = summary.room_id.clone();
        self.store
            .read(move |snapshot| async move {
                let known = memberships::by_room_id(&snapshot, user_num, room_id.as_str()).await?;
                match known.map_or(Membership::Leave, |word| Membership::parse(&word)) {
                    Membership::Join | Membership::Invite => return Ok(true),
                    Membership::Ban => return Ok(false),
                    _ if open => return Ok(true),
                    _ => {}
                }
                for room_id in allowed.iter().take(ALLOWED_LOOKED_AT) {
                    let known = memberships::by_room_id(&snapshot, user_num, room_id.as_str()).await?;
                    if known.is_some_and(|word| Membership::parse(&word) == Membership::Join) {
                        return Ok(true);
                    }
                }
                Ok(false)
            })
            .await
    }

    /// The summary of a room. Its cost does not grow with the room's state or members.
    pub(crate) async fn load(&self, snapshot: &Snapshot, row: &rooms::Room) -> Result<Summary> {
        let info = self.events.room_info(snapshot, row.room_num).await?;
        let mut nums = Vec::with_capacity(KINDS.len());
        for kind in KINDS {
            if let Some(key_num) = self.keys.load(snapshot, kind, "").await? {
                nums.extend(self.trees.get(snapshot, row.state_root, key_num).await?);
            }
        }
        let events = self.events.load(snapshot, &nums).await?;
        let joined = match self.rooms.in_memory(row.room_num) {
            Some(room) => room.view().joined,
            None => usize::try_from(memberships::joined_count(snapshot, row.room_num).await?).unwrap_or(0),
        };
        Ok(Summary::new(info, joined, events.iter().map(|event| Arc::clone(&event.pdu))))
    }

    /// A state event of a room with an empty state key.
    pub(crate) async fn state_event(
        &self,
        snapshot: &Snapshot,
        row: &rooms::Room,
        kind: &str,
    ) -> Result<Option<Arc<Pdu>>> {
        let Some(key_num) = self.keys.load(snapshot, kind, "").await? else { return Ok(None) };
        let Some(event_num) = self.trees.get(snapshot, row.state_root, key_num).await? else { return Ok(None) };
        let event = self.events.load(snapshot, &[event_num]).await?.into_iter().next();
        Ok(event.map(|event| Arc::clone(&event.pdu)))
    }

    /// Somebody's membership; nobody has left everything.
    pub(super) async fn membership(
        &self,
        snapshot: &Snapshot,
        user: Option<UserNum>,
        room_num: RoomNum,
    ) -> Result<Membership> {
        let Some(user_num) = user else { return Ok(Membership::Leave) };
        let row = memberships::one(snapshot, user_num, room_num).await?;
        Ok(row.map_or(Membership::Leave, |row| Membership::parse(&row.membership)))
    }

    /// Whether somebody may see what a room is (client-server, *Spaces* and *Room summary*): its members and the invited, who may join or
    /// ask to, and everybody where all the world reads.
    pub(super) async fn may_see(
        &self,
        snapshot: &Snapshot,
        user: Option<UserNum>,
        summary: &Summary,
        membership: Membership,
    ) -> Result<bool> {
        if summary.world_readable || matches!(membership, Membership::Join | Membership::Invite) {
            return Ok(true);
        }
        // The banned may neither join nor ask to.
        if membership == Membership::Ban {
            return Ok(false);
        }
        if summary.join_rule == "public" || summary.is_knockable() {
            return Ok(true);
        }
        for room_id in summary.allowed.iter().take(ALLOWED_LOOKED_AT) {
            if let Some(other) = rooms::by_id(snapshot, room_id.as_str()).await?
                && self.membership(snapshot, user, other.room_num).await? == Membership::Join
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
