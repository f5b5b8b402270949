//! Notices in people's own clients (client-server, *Server Notices*): one room for each user, by one account of the server's, in the user's
//! language. Whom an incident concerns follows from the jurisdiction that is noted for people, by their own word or as it was told; never from where
//! they connect from.

use std::{collections::BTreeMap, sync::Arc};

use domicile_core::{clock::Clock, ids::UserNum, locality::Locality};
use domicile_room::create::{InitialState, raw};
use domicile_store::{
    Batch, Store,
    table::{incidents, notice_rooms, user_jurisdictions, users},
};
use ruma::{OwnedRoomId, OwnedUserId, RoomId, UserId};
use serde::Serialize;
use serde_json::{Map, json};

use super::{
    Addresses, Incidents, StandingSettings,
    incidents::{Incident, Update},
    status::{Language, words::Words},
};
use crate::{
    Error, Result,
    account_data::AccountData,
    accounts::{Accounts, Session, Users, lifecycle::NewAccount},
    error::not_found,
    events::send::{EventDraft, Sender},
    profile::Profiles,
    push::Pushers,
    rooms::{Members, Membership, Preset, RoomMaker, RoomRequest, Rooms},
};

/// The tag by which clients know the room.
const TAG: &str = "m.server_notice";
/// What kind of server notice it is; those of the specification are about limits.
const NOTICE_TYPE: &str = "org.domicile.incident";
/// Kinds of incidents in which another address may help.
const BLOCKED: [&str; 3] = ["unreachable", "throttled", "listed"];
/// People who are looked up at once.
const PAGE: i64 = 500;

/// What the service needs.
pub struct NoticeParts {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ids and numbers.
    pub users: Arc<Users>,
    /// Makes the account of notices.
    pub accounts: Arc<Accounts>,
    /// Says what it is called.
    pub profiles: Arc<Profiles>,
    /// Makes rooms.
    pub room_maker: Arc<RoomMaker>,
    /// Rooms in memory.
    pub rooms: Arc<Rooms>,
    /// Invites.
    pub members: Arc<Members>,
    /// Sends.
    pub sender: Arc<Sender>,
    /// Tags.
    pub account_data: Arc<AccountData>,
    /// Tell languages.
    pub pushers: Arc<Pushers>,
    /// What notices are about.
    pub incidents: Arc<Incidents>,
    /// Where else the service is reached.
    pub addresses: Arc<Addresses>,
    /// The law, which knows which countries a union is made of.
    pub settings: StandingSettings,
    /// The localpart of the account, and what it is called.
    pub from: (String, String),
    /// Whom users can ask: `mailto:` or a web address.
    pub admin_contact: Option<String>,
}

/// What was told to whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Told {
    /// The update that was told.
    pub update: i64,
    /// Whom it concerns.
    pub audience: u64,
    /// Who was told now.
    pub told: u64,
    /// Who had been told before.
    pub before: u64,
    /// Who could not be told: it is tried again with the next call.
    pub failed: u64,
}

/// Writes notices.
pub struct Notices {
    parts: NoticeParts,
    /// One round at a time: nobody gets two rooms.
    turn: tokio::sync::Mutex<()>,
}

impl Notices {
    /// Over the services that it uses.
    pub fn new(parts: NoticeParts) -> Self {
        Self { parts, turn: tokio::sync::Mutex::default() }
    }

    /// Tells the people whom an incident concerns, and nobody else, of its newest update that has words. Whoever was told of it is not told again.
    /// With `only_count` nobody is told.
    pub async fn tell(&self, number: i64, only_count: bool) -> Result<Told> {
        let incident = self.parts.incidents.get(number).await?;
        let update = incident.updates.iter().rev().find(|update| !update.words.is_empty());
        let Some(update) = update else {
            let what = format!(
                "Incident {number} has no words for people yet: `domicile incident update {number} --text …` adds some."
            );
            return Err(not_found(what));
        };
        let _turn = self.turn.lock().await;
        let mut told = Told { update: update.update, ..Told::default() };
        let from = if only_count { None } else { Some(self.account().await?) };
        let mut after = UserNum(0);
        loop {
            let (people, last) = self.audience(incident.code.as_deref(), after).await?;
            for (user_num, user_id) in people {
                self.tell_one(&incident, update, from.as_ref(), (user_num, user_id.as_str()), &mut told).await?;
            }
            match last {
                Some(last) => after = last,
                None => return Ok(told),
            }
        }
    }

    async fn tell_one(
        &self,
        incident: &Incident,
        update: &Update,
        from: Option<&Session>,
        (user_num, user_id): (UserNum, &str),
        told: &mut Told,
    ) -> Result<()> {
        let user_id = OwnedUserId::try_from(user_id).map_err(Error::internal)?;
        if self.own_names().iter().any(|name| user_id.localpart() == name) {
            return Ok(());
        }
        told.audience += 1;
        let number = update.update;
        let was_told = self
            .parts
            .store
            .read(move |snapshot| async move { incidents::was_told(&snapshot, number, user_num).await })
            .await?;
        if was_told {
            told.before += 1;
            return Ok(());
        }
        let Some(from) = from else { return Ok(()) };
        match self.send(incident, update, from, (user_num, &*user_id)).await {
            Ok(()) => told.told += 1,
            // One person's trouble is not everybody's; but when the database is gone, it is.
            Err(Error::Store(error)) => return Err(Error::Store(error)),
            Err(error) => {
                tracing::warn!(%error, "somebody could not be told of an incident");
                told.failed += 1;
            }
        }
        Ok(())
    }

    async fn send(
        &self,
        incident: &Incident,
        update: &Update,
        from: &Session,
        (user_num, user_id): (UserNum, &UserId),
    ) -> Result<()> {
        let language = self.language(user_num, incident.code.as_deref()).await?;
        let mut said = body(incident, update, language, &self.parts.settings);
        if BLOCKED.contains(&incident.kind.as_str()) && incident.resolved_ts.is_none() {
            said.push_str(&elsewhere(&self.parts.addresses.for_notice(incident.code.as_deref()), language));
        }
        self.write(from, (user_num, user_id), NOTICE_TYPE, &said).await?;
        let mut batch = Batch::new();
        incidents::note_told(&mut batch, update.update, user_num, language.code(), self.parts.clock.now_ms());
        self.parts.store.write(batch).await?;
        Ok(())
    }

    /// Makes the account that writes, where it is not there: while the directory is out of reach, that is too late.
    pub(super) async fn prepare(&self) -> Result<()> {
        let _turn = self.turn.lock().await;
        self.account().await.map(drop)
    }

    /// Tells one person something of their own.
    pub(super) async fn say(&self, whom: (UserNum, &UserId), notice_type: &str, said: &str) -> Result<()> {
        let _turn = self.turn.lock().await;
        let from = self.account().await?;
        self.write(&from, whom, notice_type, said).await
    }

    /// Writes into the room of a user.
    async fn write(
        &self,
        from: &Session,
        (user_num, user_id): (UserNum, &UserId),
        notice_type: &str,
        said: &str,
    ) -> Result<()> {
        let room_id = self.room(from, user_num, user_id).await?;
        let mut content = json!({ "msgtype": "m.server_notice", "server_notice_type": notice_type, "body": said });
        if let Some(contact) = &self.parts.admin_contact {
            content["admin_contact"] = contact.as_str().into();
        }
        let draft = EventDraft {
            kind: "m.room.message".into(),
            sender: from.user_id.clone(),
            state_key: None,
            content: raw(&content),
            redacts: None,
        };
        self.parts.sender.send(&room_id, (from.user_num, &from.user_id), draft, None).await?;
        Ok(())
    }

    /// Accounts in use whom an incident of a jurisdiction concerns: those who are noted as living there; without one, all. And the last account that
    /// was looked at, if there may be more.
    async fn audience(&self, code: Option<&str>, after: UserNum) -> Result<(Vec<(UserNum, String)>, Option<UserNum>)> {
        let Some(code) = code else {
            let rows =
                self.parts.store.read(move |snapshot| async move { users::page(&snapshot, after, PAGE).await }).await?;
            let last = rows.last().map(|row| row.user_num);
            let in_use = rows.into_iter().filter(|row| row.deactivated_ts.is_none());
            return Ok((in_use.map(|row| (row.user_num, row.user_id)).collect(), last));
        };
        let codes = self.parts.settings.catalogue.codes(code);
        let read = self
            .parts
            .store
            .read(move |snapshot| async move { user_jurisdictions::users_of(&snapshot, &codes, after, PAGE).await });
        let found: Vec<(UserNum, String)> = read.await?;
        let last = found.last().map(|(user_num, _)| *user_num);
        Ok((found, last))
    }

    /// What the account of this cell may be called: a name is taken once in a deployment, and each cell tells its own people. The last is what a
    /// new one is called.
    fn own_names(&self) -> Vec<String> {
        let name = &self.parts.from.0;
        let of_cell =
            self.parts.users.localities().cells().map(|cells| format!("{name}-{}", cells.own.name().as_str()));
        [Some(name.clone()), of_cell].into_iter().flatten().collect()
    }

    /// The account that writes notices. Nobody can sign in to it.
    async fn account(&self) -> Result<Session> {
        let (names, name) = (self.own_names(), &self.parts.from.1);
        for localpart in &names {
            let user_id = self.parts.accounts.user_id(localpart)?;
            let is_here = self.parts.users.localities().of(&user_id) == Locality::Here;
            if is_here && let Some(user_num) = self.parts.users.num(&user_id).await? {
                return Ok(Session::without_device(user_num, user_id));
            }
        }
        let localpart = names.last().ok_or_else(|| Error::internal("the account of notices has no name"))?;
        let user_id = self.parts.accounts.user_id(localpart)?;
        let new = NewAccount { localpart: localpart.clone(), ..NewAccount::default() };
        self.parts.accounts.create_user(new).await?;
        let made = self.parts.users.num(&user_id).await?;
        let made = made.ok_or_else(|| Error::internal("the account of notices is not there"))?;
        let session = Session::without_device(made, user_id.clone());
        self.parts.profiles.set(&session, &user_id, "displayname", Some(name.as_str().into())).await?;
        Ok(session)
    }

    /// The room of a user: the one there is, if they are in it or invited to it, else a new one.
    async fn room(&self, from: &Session, user_num: UserNum, user_id: &UserId) -> Result<OwnedRoomId> {
        let known =
            self.parts.store.read(move |snapshot| async move { notice_rooms::of_user(&snapshot, user_num).await });
        if let Some(room_id) = known.await?.and_then(|room_id| OwnedRoomId::try_from(room_id).ok())
            && self.reaches(&room_id, from, user_num, user_id).await?
        {
            return Ok(room_id);
        }
        let request = RoomRequest {
            version: None,
            preset: Some(Preset::PrivateChat),
            public: false,
            creation_content: Map::from_iter([("m.federate".to_owned(), json!(false))]),
            initial_state: Vec::<InitialState>::new(),
            power_level_override: Map::from_iter([("events_default".to_owned(), json!(50))]),
            invite: vec![user_id.to_owned()],
            is_direct: false,
            name: Some(self.parts.from.1.clone()),
            topic: None,
            alias_name: None,
            // The server writes here, and holds no key.
            encrypt: Some(false),
        };
        let room_id = self.parts.room_maker.create(from, request).await?;
        let mut batch = Batch::new();
        notice_rooms::set(&mut batch, user_num, room_id.as_str());
        self.parts.store.write(batch).await?;
        let user = Session::without_device(user_num, user_id.to_owned());
        self.parts.account_data.set_tag(&user, user_id, &room_id, TAG, Map::new()).await?;
        Ok(room_id)
    }

    /// Whether what is said in a room reaches its user. One who has left is invited again.
    async fn reaches(&self, room_id: &RoomId, from: &Session, user_num: UserNum, user_id: &UserId) -> Result<bool> {
        let Ok(room) = self.parts.rooms.get(room_id).await else { return Ok(false) };
        let membership = room.view().membership(user_num);
        match membership {
            Membership::Join | Membership::Invite => Ok(true),
            Membership::Leave => {
                self.parts.members.invite(from, room_id, user_id, None).await?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// The language of a user: as their devices asked for it with their pushers, else as most people of the country read.
    pub(super) async fn language(&self, user_num: UserNum, code: Option<&str>) -> Result<Language> {
        let pushers = self.parts.pushers.list(user_num).await?;
        let mut wanted: BTreeMap<Language, usize> = BTreeMap::new();
        for language in pushers.iter().filter_map(|pusher| Language::from_code(&pusher.lang)) {
            *wanted.entry(language).or_default() += 1;
        }
        let most = wanted.into_iter().max_by_key(|(_, count)| *count).map(|(language, _)| language);
        let here = code.map_or(Language::En, Language::of_country);
        Ok(most.unwrap_or(here))
    }
}

/// What is said: the title, and the words in the user's language; where there are none in it, those in English.
fn body(incident: &Incident, update: &Update, language: Language, settings: &StandingSettings) -> String {
    let words: &Words = language.words();
    let named = |code: &str| settings.catalogue.jurisdiction(code).map(|at| at.name.clone());
    let place = incident
        .code
        .as_deref()
        .map(|code| words.place(code).map(str::to_owned).or_else(|| named(code)).unwrap_or_else(|| code.to_owned()));
    let title = words.happened(&incident.kind, place.as_deref());
    let state = words.incident_state(&update.state);
    let said =
        update.words.get(language.code()).or_else(|| update.words.get("en")).or_else(|| update.words.values().next());
    format!("{title}{}\n\n{}", language.bracketed(state), said.map_or("", String::as_str))
}

/// Where else the service is reached, as the end of a notice.
fn elsewhere(addresses: &[String], language: Language) -> String {
    if addresses.is_empty() {
        return String::new();
    }
    format!("\n\n{}\n{}", language.words().elsewhere, addresses.join("\n"))
}

/// Whether a room is the one in which the server tells a user something: its invite cannot be refused.
pub(crate) async fn is_notice_room(store: &Store, user_num: UserNum, room_id: &RoomId) -> Result<bool> {
    let found = store.read(move |snapshot| async move { notice_rooms::of_user(&snapshot, user_num).await }).await?;
    Ok(found.is_some_and(|found| found == room_id.as_str()))
}

#[cfg(test)]
mod tests;
