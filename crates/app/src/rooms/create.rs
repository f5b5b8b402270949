//! Making rooms.

use std::sync::Arc;

use domicile_core::{error::ErrorKind, ids::UserNum, limits};
pub use domicile_room::create::Preset;
use domicile_room::{
    create::{self, CreateError, CreateRoom, raw},
    event::EventDraft,
};
use domicile_store::table::{aliases, rooms};
use futures::StreamExt;
use ruma::{OwnedRoomAliasId, OwnedRoomId, OwnedUserId, RoomVersionId, events::TimelineEventType};
use serde_json::{Map, Value, json};

use super::{Members, Room, directory};
use crate::{
    Error, Result,
    accounts::{Session, Users},
    events::send::Sender,
};

/// People who are invited, and state events that are given, when a room is made: it is one write, which others wait for.
const AT_ONCE: usize = 500;

/// Which new rooms are encrypted without being asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncryptByDefault {
    /// None.
    Off,
    /// Those that not everybody may join.
    Private,
    /// All.
    All,
}

/// Servers that are asked at once to take an invite.
const INVITED_AT_ONCE: usize = 8;

/// The operator's choices about new rooms.
#[derive(Clone, Debug)]
pub struct CreationSettings {
    /// The version of rooms whose maker names none.
    pub default_version: RoomVersionId,
    /// Which are encrypted without being asked.
    pub encrypt: EncryptByDefault,
}

/// A room that a user asks for.
#[derive(Clone, Debug)]
pub struct RoomRequest {
    /// The version; none is the operator's default.
    pub version: Option<RoomVersionId>,
    /// The preset; none follows from `public`.
    pub preset: Option<Preset>,
    /// Whether it is to be in the public directory.
    pub public: bool,
    /// Extra keys of the create event.
    pub creation_content: Map<String, Value>,
    /// State events of the caller's own.
    pub initial_state: Vec<create::InitialState>,
    /// Keys that replace those of the power levels event.
    pub power_level_override: Map<String, Value>,
    /// Those who are invited.
    pub invite: Vec<OwnedUserId>,
    /// Whether the invites say that this is a conversation of two.
    pub is_direct: bool,
    /// The name.
    pub name: Option<String>,
    /// The topic.
    pub topic: Option<String>,
    /// The local part of the alias.
    pub alias_name: Option<String>,
    /// Whether it is encrypted; none is the operator's default.
    pub encrypt: Option<bool>,
}

/// Makes rooms.
pub struct RoomMaker {
    sender: Arc<Sender>,
    users: Arc<Users>,
    members: Arc<Members>,
    settings: CreationSettings,
}

impl RoomMaker {
    /// A maker with the operator's choices.
    pub fn new(sender: Arc<Sender>, users: Arc<Users>, members: Arc<Members>, settings: CreationSettings) -> Self {
        Self { sender, users, members, settings }
    }

    /// The version of rooms whose maker names none.
    pub fn default_version(&self) -> &RoomVersionId {
        &self.settings.default_version
    }

    /// Makes a room with all its first events and invites in one write.
    pub async fn create(&self, by: &Session, request: RoomRequest) -> Result<OwnedRoomId> {
        let room = self.create_room(by, request).await?;
        Ok(room.info.room_id.clone())
    }

    /// The same, for who goes on with the room.
    pub async fn create_room(&self, by: &Session, request: RoomRequest) -> Result<Arc<Room>> {
        let version = request.version.clone().unwrap_or_else(|| self.settings.default_version.clone());
        let unsupported =
            || ErrorKind::UnsupportedRoomVersion.with(format!("Room version {version} is not known here."));
        let rules = version.rules().filter(|_| is_offered(&version)).ok_or_else(unsupported)?;
        if request.invite.len() > AT_ONCE || request.initial_state.len() > AT_ONCE {
            let text =
                format!("A room is made with at most {AT_ONCE} invites and {AT_ONCE} state events: add more later.");
            return Err(ErrorKind::TooLarge.with(text).into());
        }
        let preset = request.preset.unwrap_or(if request.public { Preset::PublicChat } else { Preset::PrivateChat });
        let alias = request.alias_name.as_deref().map(|name| self.alias(name)).transpose()?;
        let invite = self.invitees(by, &request.invite).await?;
        let creation = CreateRoom {
            creator: by.user_id.clone(),
            creator_member: self.members.content(by.user_num, "join").await?,
            version: version.clone(),
            preset,
            creation_content: request.creation_content,
            initial_state: request.initial_state,
            power_level_override: request.power_level_override,
            invite: request.invite,
            name: request.name,
            topic: request.topic,
            alias: alias.as_ref().map(ToString::to_string),
            encrypt: request.encrypt.unwrap_or_else(|| self.encrypts(preset)),
        };
        let create_event = create::create_event(&creation, &rules).map_err(|error| refused(&error))?;
        let first_events = create::first_events(&creation, &rules).map_err(|error| refused(&error))?;
        let mut staging = self.sender.begin_room(&version, create_event).await?;
        for draft in first_events {
            self.sender.stage(&mut staging, draft).await.map_err(invalid_state)?;
        }
        let mut elsewhere = Vec::new();
        for (user_id, user_num) in invite {
            let mut content = self.members.content(user_num, "invite").await?;
            if request.is_direct {
                content.insert("is_direct".to_owned(), json!(true));
            }
            let draft = EventDraft {
                kind: TimelineEventType::RoomMember,
                sender: by.user_id.clone(),
                state_key: Some(user_id.to_string()),
                content: raw(&Value::Object(content)),
                redacts: None,
            };
            if self.users.is_local(&user_id) {
                self.sender.stage(&mut staging, draft).await?;
            } else {
                elsewhere.push((user_id, draft));
            }
        }
        let room_num = staging.room_num();
        if let Some(alias) = &alias {
            aliases::insert(&mut staging.batch, alias.as_str(), room_num, by.user_num);
        }
        if let Some(alias) = &alias {
            directory::claim(&self.users, alias).await?;
        }
        staging.view.is_public = request.public;
        rooms::set_public(&mut staging.batch, room_num, request.public);
        match self.sender.commit(None, staging).await {
            Ok((room, _)) => {
                self.invite_elsewhere(by, &room, elsewhere).await;
                Ok(room)
            }
            // Everything in the batch is new but the alias.
            Err(error) => match alias {
                Some(alias) if error.is_conflict() => Err(directory::taken(&alias)),
                // What was claimed stays this cell's: whoever tries again gets it.
                _ => Err(error),
            },
        }
    }

    /// Invites people of other servers to a room that was just made. That one of them cannot be reached does not unmake the room.
    async fn invite_elsewhere(&self, by: &Session, room: &Arc<Room>, invites: Vec<(OwnedUserId, EventDraft)>) {
        let inviting = invites.into_iter().map(|(user_id, draft)| async move {
            let peer = self.users.localities().peer_of(&user_id);
            let invited = self.members.invite_elsewhere(by, &room.info.room_id, draft, &peer).await;
            if let Err(error) = invited {
                tracing::info!(%error, "somebody could not be invited to a new room");
            }
        });
        futures::stream::iter(inviting).buffer_unordered(INVITED_AT_ONCE).collect::<()>().await;
    }

    fn encrypts(&self, preset: Preset) -> bool {
        match self.settings.encrypt {
            EncryptByDefault::Off => false,
            EncryptByDefault::Private => preset != Preset::PublicChat,
            EncryptByDefault::All => true,
        }
    }

    fn alias(&self, name: &str) -> Result<OwnedRoomAliasId> {
        let bad = || ErrorKind::InvalidParam.with(format!("`{name}` cannot be the local part of an alias."));
        if name.contains(':') || name.contains('#') || name.contains(char::is_whitespace) {
            return Err(bad().into());
        }
        let alias = OwnedRoomAliasId::try_from(format!("#{name}:{}", self.users.server_name())).map_err(|_| bad())?;
        if alias.as_str().len() > limits::ID_BYTES { Err(bad().into()) } else { Ok(alias) }
    }

    async fn invitees(&self, by: &Session, invite: &[OwnedUserId]) -> Result<Vec<(OwnedUserId, UserNum)>> {
        let mut found = Vec::with_capacity(invite.len());
        for user_id in invite {
            if *user_id == by.user_id || found.iter().any(|(known, _)| known == user_id) {
                continue;
            }
            let missing = || ErrorKind::NotFound.with(format!("There is no user {user_id}."));
            found.push((user_id.clone(), self.users.num_or_new(user_id).await?.ok_or_else(missing)?));
        }
        Ok(found)
    }
}

/// Room versions that new rooms may have.
pub const OFFERED: [&str; 10] = ["3", "4", "5", "6", "7", "8", "9", "10", "11", "12"];

/// Whether new rooms may have a version.
pub fn is_offered(version: &RoomVersionId) -> bool {
    OFFERED.contains(&version.as_str())
}

fn refused(error: &CreateError) -> Error {
    let kind = match error {
        CreateError::WrongType(_) => ErrorKind::BadJson,
        CreateError::CreatorInPowerLevels(_) => ErrorKind::InvalidRoomState,
    };
    kind.with(format!("The room cannot be made: {error}.")).into()
}

/// An event that the room's own rules refuse makes no room.
fn invalid_state(error: Error) -> Error {
    match error {
        Error::Matrix(error) if error.kind == ErrorKind::Forbidden => {
            ErrorKind::InvalidRoomState.with(format!("The room cannot be made: {}", error.message)).into()
        }
        other => other,
    }
}
