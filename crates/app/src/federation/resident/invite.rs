//! Taking an invite for somebody of this server (`invite`).

use domicile_core::{
    error::{ErrorKind, MatrixError},
    ids::NodeNum,
    locality::{Destination, Locality},
};
use domicile_room::event::{Pdu, sign};
use domicile_store::{
    Batch, StoreError, Value, event_id,
    table::{
        events::{self, Status},
        memberships, stripped_states, users,
    },
};
use ruma::{EventId, OwnedUserId, RoomId, RoomVersionId, ServerName, UserId, events::TimelineEventType};
use serde_json::value::RawValue;

use super::{Resident, join::json};
use crate::{Error, Result, error::forbidden, events::Ingest, federation::stripped, moves::departures::on_the_way};

/// An invite as another server sends it.
pub struct Invite {
    /// The room.
    pub room_id: ruma::OwnedRoomId,
    /// The event's id.
    pub event_id: ruma::OwnedEventId,
    /// The room's version.
    pub version: RoomVersionId,
    /// The event.
    pub event: Box<RawValue>,
    /// What is shown of the room.
    pub shown: Vec<Box<RawValue>>,
}

impl Resident {
    /// Takes an invite: signs it, and shows it to whom it is for. Where this server is in the room already, the invite comes through the room.
    pub async fn take_invite(&self, origin: &ServerName, invite: Invite) -> Result<Box<RawValue>> {
        let unsupported = || ErrorKind::IncompatibleRoomVersion.for_room_version(invite.version.as_str());
        let supported = crate::federation::remote_rooms::SUPPORTED.contains(&invite.version.as_str());
        let rules = invite.version.rules().filter(|_| supported).ok_or_else(unsupported)?;
        let verified = self.ingest.verify_one(&rules, &invite.room_id, invite.event).await?;
        let wrong = |reason: String| ErrorKind::InvalidParam.with(format!("The invite is wrong: {reason}."));
        let pdu = verified.map_err(wrong)?.pdu;
        let target = check(&pdu, &invite.event_id)?;
        if !self.users.localities().speaks_for(origin, pdu.sender()) {
            return Err(forbidden("The invite was sent by somebody of another server."));
        }
        let nobody = || ErrorKind::NotFound.with(format!("There is no user {target} here."));
        if !self.users.is_local(&target) {
            return Err(self.not_here(origin, &target));
        }
        let user_num = self.users.num(&target).await?.ok_or_else(nobody)?;
        // Their vault has been read: what comes now would not be in it.
        if self.departures.has(user_num) {
            return Err(on_the_way().into());
        }
        let held = self.rooms.get(&invite.room_id).await.ok().filter(|room| room.view().has_local_members());
        if let Some(room) = &held
            && !Ingest::is_let_in(&room.view(), origin)
        {
            return Err(forbidden(format!("The room's access list does not let {origin} in.")));
        }
        let signed = sign::sign_again(&pdu, &rules, &self.own_keys.current()).map_err(Error::internal)?;
        if held.is_none() {
            self.show(user_num, &invite.room_id, &invite.version, &signed, &invite.shown).await?;
        }
        json(&signed)
    }

    /// What is said of somebody whose home is not here. A cell that has not heard yet that they have moved is told where to.
    fn not_here(&self, origin: &ServerName, target: &UserId) -> Error {
        let localities = self.users.localities();
        if let (Some(cells), Locality::Elsewhere(Destination::Cell(home)), Destination::Cell(asking)) =
            (localities.cells(), localities.of(target), Destination::of_peer(origin))
            && home != asking
        {
            cells.tickets.note_stale(asking, target.to_owned());
            let text = format!("{target} has moved: it is told where to in a moment.");
            return MatrixError { retry_after_ms: Some(2_000), ..ErrorKind::Unavailable.with(text) }.into();
        }
        ErrorKind::InvalidParam.with(format!("{target} is not a user of this server.")).into()
    }

    /// Puts an invite where the user's clients see it.
    async fn show(
        &self,
        user_num: domicile_core::ids::UserNum,
        room_id: &RoomId,
        version: &RoomVersionId,
        pdu: &Pdu,
        shown: &[Box<RawValue>],
    ) -> Result<()> {
        let info = self.remote.known(room_id, version).await?;
        let shown = stripped::kept(shown, &stripped::own(pdu)?, &info).map_err(Error::internal)?;
        let before = {
            let room_num = info.room_num;
            let read =
                self.store.read(move |snapshot| async move { memberships::one(&snapshot, user_num, room_num).await });
            read.await?.map(|row| row.membership)
        };
        match before.as_deref() {
            Some("join") => return Err(forbidden("The user is in the room already.")),
            Some("ban") => return Err(forbidden("The user is banned from the room.")),
            _ => {}
        }
        let sender_num = self.users.num_or_new(pdu.sender()).await?;
        let sender_num = sender_num.ok_or_else(|| Error::internal("another server's user has no number"))?;
        let mut batch = Batch::new();
        let position = batch.position();
        let event_num = if let Some(event) = self.events.by_id(pdu.event_id()).await? {
            event.event_num
        } else {
            let event_num = self.sender.new_event_num().await?;
            let state_key = pdu.state_key().unwrap_or_default();
            let row = events::Event {
                event_num,
                room_num: info.room_num,
                position: None,
                event_id: event_id::to_bytes(pdu.event_id()),
                sender_num,
                origin_server_ts: i64::from(pdu.origin_server_ts().0),
                state_before: NodeNum(0),
                graph_state: None,
                status: Status::OUTLIER,
                key_num: Some(self.keys.intern("m.room.member", state_key).await?),
                thread_num: None,
                redacted_by: None,
                totals: None,
                json: pdu.json().clone(),
            };
            events::insert(&mut batch, &row, Value::Null);
            event_num
        };
        memberships::set(&mut batch, user_num, info.room_num, "invite", event_num, position);
        stripped_states::set(&mut batch, user_num, info.room_num, shown);
        if self.users.localities().cells().is_some() {
            // Whoever leaves meanwhile is told of it up to the moment in which their home is another one, and not after it.
            users::stays(&mut batch, user_num);
        }
        match self.store.write(batch).await {
            Err(StoreError::Conflict(users::STAYS_GUARD)) => return Err(on_the_way().into()),
            written => written?,
        };
        self.wakers.wake(user_num);
        self.sender.ring_for(user_num);
        Ok(())
    }
}

/// Whom an invite is for, if it is one.
fn check(pdu: &Pdu, event_id: &EventId) -> Result<OwnedUserId> {
    let wrong = |what: &str| ErrorKind::InvalidParam.with(format!("The invite's {what} is not what it should be."));
    if pdu.event_id() != event_id {
        return Err(wrong("id").into());
    }
    if *pdu.kind() != TimelineEventType::RoomMember || pdu.membership().as_deref() != Some("invite") {
        return Err(wrong("membership").into());
    }
    let target = pdu.state_key().and_then(|target| OwnedUserId::try_from(target).ok());
    Ok(target.ok_or_else(|| wrong("state key"))?)
}
