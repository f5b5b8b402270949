//! Step 0: whether an event may go where the room has copies, by the deployment's rules. A deployment of one cell has none.

use std::collections::BTreeSet;

use domicile_core::{
    ids::UserNum,
    locality::{Destination, Locality},
    region::Region,
};
use domicile_residency::{
    deployment::{Deployment, Profiles},
    flow::{self, Crosses, CrossingSettings, Decision, EventShape, FENCE, Fence, Joining, Outer, Rule},
};
use domicile_room::event::EventDraft;
use ruma::{OwnedServerName, UserId, canonical_json::CanonicalJsonObject, events::TimelineEventType};
use serde_json::value::RawValue;

use super::{Sender, Staging, authorise};
use crate::{
    Error, Result,
    error::forbidden,
    residency::Cells,
    rooms::{Membership, Room, RoomView},
};

impl Sender {
    /// Refuses what the rules do not let cross, with the sentence that says why.
    pub(super) async fn may_cross(&self, staging: &Staging, draft: &EventDraft) -> Result<()> {
        let Some(cells) = self.users.localities().cells() else { return Ok(()) };
        let view = &staging.view;
        let mut regions = self.regions(cells, view).await?;
        let target = draft.state_key.as_deref().filter(|_| draft.kind == TimelineEventType::RoomMember);
        let target = target.and_then(|target| <&UserId>::try_from(target).ok());
        // Who is told of their membership without being in the room.
        let (mut told, mut goes) = (None, false);
        if let Some(target) = target {
            match membership(&draft.content) {
                // Nobody is held in a room by the rules, but what is said about it is under them.
                Membership::Leave | Membership::Ban => {
                    goes = true;
                    told = self.is_asked(view, target).await?.then_some(target);
                }
                _ if self.is_joined(view, target).await? => {}
                _ => {
                    self.may_enter(cells, staging, &regions, target).await?;
                    told = Some(target);
                }
            }
        }
        // Whose home the directory does not tell at the moment is as bound as everybody here.
        if matches!(self.users.localities().of(&draft.sender), Locality::Elsewhere(_)) {
            return Ok(());
        }
        let document = cells.own.document();
        let own = cells.own.region();
        let mut servers = self.servers(cells, view).await?;
        match told.map(|target| self.users.localities().of(target)) {
            Some(Locality::Elsewhere(Destination::Cell(cell))) => regions.extend(document.region_of(&cell).cloned()),
            Some(Locality::Elsewhere(Destination::Server(server))) => servers.push(server),
            Some(Locality::Here | Locality::Unknown) | None => {}
        }
        let stays = servers.is_empty() && regions.iter().all(|region| region == own);
        let outer = servers.into_iter().map(|server| flow::to_destination(document, own, &Destination::Server(server)));
        let inner = regions.iter().map(|region| flow::between(document, own, region));
        let strictest = inner.chain(outer).max_by_key(|found| found.rule);
        let shows = self.shows_profiles(cells, target);
        match strictest {
            Some(decision) if decision.rule == Rule::Forbid && !goes => Err(refused(&decision)),
            Some(decision) if decision.rule != Rule::Allow => {
                as_it_crosses(document, own, draft, |event, settings| flow::crosses(event, settings, shows))
            }
            Some(_) if !stays => as_it_crosses(document, own, draft, |event, _| flow::crosses_openly(event, shows)),
            _ => Ok(()),
        }
    }

    /// Whether names and pictures cross in what people of this cell send about somebody.
    fn shows_profiles(&self, cells: &Cells, target: Option<&UserId>) -> bool {
        let policy = cells.own.document().regions.get(cells.own.region());
        policy.is_some_and(|policy| policy.profiles == Profiles::InRooms)
            && target.is_none_or(|target| self.users.localities().shows_profile(target))
    }

    /// Whether the rules let somebody into a room, for a join that another cell brings.
    pub async fn may_join(&self, room: &Room, user_id: &UserId) -> Result<()> {
        let Some(cells) = self.users.localities().cells() else { return Ok(()) };
        let staging = self.begin(room);
        let regions = self.regions(cells, &staging.view).await?;
        self.may_enter(cells, &staging, &regions, user_id).await
    }

    /// Whether a room could have somebody in it from a region, who is in it from here now. The inner error says why not.
    pub async fn may_stay(
        &self,
        room: &Room,
        region: &Region,
        user_num: UserNum,
    ) -> Result<std::result::Result<(), Decision>> {
        let Some(cells) = self.users.localities().cells() else { return Ok(Ok(())) };
        let staging = self.begin(room);
        let view = &staging.view;
        let mut regions = self.regions(cells, view).await?;
        let elsewhere: i64 = view.destinations.values().sum();
        let here = i64::try_from(view.joined).unwrap_or(i64::MAX).saturating_sub(elsewhere);
        // Who moves leaves nobody behind.
        let is_last = here <= i64::from(view.is_joined(user_num));
        let own_by_others = self.is_region_of_others(cells, view).await?;
        if is_last && !own_by_others {
            regions.remove(cells.own.region());
        }
        let fence = self.fence(&staging).await?;
        let is_encrypted = view.facts.encrypted;
        let joining = Joining { region, members: &regions, fence: fence.as_ref(), is_encrypted };
        Ok(flow::may_join(cells.own.document(), joining).map(drop))
    }

    /// Whether another cell of this region has members in a room.
    async fn is_region_of_others(&self, cells: &Cells, view: &RoomView) -> Result<bool> {
        for (destination_num, joined) in &view.destinations {
            if *joined > 0
                && let Destination::Cell(cell) = self.destinations.name(*destination_num).await?
                && cells.own.document().region_of(&cell) == Some(cells.own.region())
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn may_enter(
        &self,
        cells: &Cells,
        staging: &Staging,
        members: &BTreeSet<Region>,
        user_id: &UserId,
    ) -> Result<()> {
        let document = cells.own.document();
        let region = match self.users.localities().of(user_id) {
            Locality::Here => Some(cells.own.region()),
            Locality::Elsewhere(Destination::Cell(cell)) => document.region_of(&cell),
            Locality::Elsewhere(Destination::Server(server)) => {
                let fence = self.fence(staging).await?;
                let encrypted = staging.view.facts.encrypted;
                let own = BTreeSet::from([cells.own.region().clone()]);
                let members = if members.is_empty() { &own } else { members };
                let may = flow::may_share(document, members, &server, fence.as_ref(), encrypted);
                return may.map_err(|decision| refused(&decision));
            }
            Locality::Unknown => None,
        };
        let Some(region) = region else {
            return Err(forbidden(format!("{user_id} has no home in which a copy of the room could be kept.")));
        };
        let fence = self.fence(staging).await?;
        for server in self.servers(cells, &staging.view).await? {
            let own = BTreeSet::from([region.clone()]);
            let may = flow::may_share(document, &own, &server, None, staging.view.facts.encrypted);
            may.map_err(|decision| refused(&decision))?;
        }
        let is_encrypted = staging.view.facts.encrypted;
        let joining = Joining { region, members, fence: fence.as_ref(), is_encrypted };
        flow::may_join(document, joining).map(drop).map_err(|decision| refused(&decision))
    }

    async fn fence(&self, staging: &Staging) -> Result<Option<Fence>> {
        // It is given a number although no room may have one yet: whoever looks for what has none asks the database each time.
        let key_num = self.keys.intern(FENCE, "").await?;
        match staging.view.state.get(&key_num).copied() {
            Some(event_num) => {
                Ok(Some(Fence::read(&object(authorise::pdu(self, staging, event_num).await?.content())?)))
            }
            None => Ok(None),
        }
    }

    /// Other people's servers that have joined members in a room; one of them where the rules are the same for all.
    async fn servers(&self, cells: &Cells, view: &RoomView) -> Result<Vec<OwnedServerName>> {
        let alike = cells.own.document().regions.values().all(|policy| matches!(policy.outer, Outer::All(_)));
        let mut servers = Vec::new();
        for (destination_num, _) in view.destinations.iter().filter(|(_, joined)| **joined > 0) {
            if let Destination::Server(server) = self.destinations.name(*destination_num).await? {
                servers.push(server);
                if alike {
                    break;
                }
            }
        }
        Ok(servers)
    }

    /// The regions in which a room has joined members.
    async fn regions(&self, cells: &Cells, view: &RoomView) -> Result<BTreeSet<Region>> {
        let mut regions = BTreeSet::new();
        if view.has_local_members() {
            regions.insert(cells.own.region().clone());
        }
        let joined: Vec<_> = view.destinations.iter().filter(|(_, joined)| **joined > 0).map(|(num, _)| *num).collect();
        for destination_num in joined {
            if let Destination::Cell(cell) = self.destinations.name(destination_num).await?
                && let Some(region) = cells.own.document().region_of(&cell)
            {
                regions.insert(region.clone());
            }
        }
        Ok(regions)
    }

    /// Whether somebody was invited, or asks to come: their home is told what becomes of it.
    async fn is_asked(&self, view: &RoomView, user_id: &UserId) -> Result<bool> {
        let user_num = self.users.num(user_id).await?;
        Ok(user_num.is_some_and(|num| matches!(view.membership(num), Membership::Invite | Membership::Knock)))
    }

    async fn is_joined(&self, view: &RoomView, user_id: &UserId) -> Result<bool> {
        Ok(self.users.num(user_id).await?.is_some_and(|user_num| view.is_joined(user_num)))
    }
}

/// What people of a region may send into a room that crosses: what is served as it is.
fn as_it_crosses(
    document: &Deployment,
    own: &Region,
    draft: &EventDraft,
    crosses: impl FnOnce(EventShape<'_>, CrossingSettings) -> Crosses,
) -> Result<()> {
    let Some(policy) = document.regions.get(own) else { return Ok(()) };
    let content = object(&draft.content)?;
    let kind = draft.kind.to_string();
    let event = EventShape { kind: &kind, is_state: draft.state_key.is_some(), content: &content };
    match crosses(event, policy.crossing) {
        Crosses::Whole => Ok(()),
        Crosses::Redacted(why) => Err(forbidden(why)),
    }
}

fn refused(decision: &Decision) -> Error {
    tracing::info!(detail = %decision.detail, "a rule of the deployment refuses something");
    forbidden(decision.reason.clone())
}

fn membership(content: &RawValue) -> Membership {
    #[derive(serde::Deserialize)]
    struct Content {
        membership: String,
    }
    let content = serde_json::from_str::<Content>(content.get());
    content.map_or(Membership::Leave, |content| Membership::parse(&content.membership))
}

fn object(content: &RawValue) -> Result<CanonicalJsonObject> {
    serde_json::from_str(content.get()).map_err(|error| {
        domicile_core::error::ErrorKind::BadJson.with(format!("The event's content does not fit: {error}.")).into()
    })
}
