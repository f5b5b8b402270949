//! Joins that no one invited: somebody of another cell comes, or tries to come, into a room that is entered by invitation only, and no invite of theirs is
//! known that counts here. No cell that works as it should lets one of its people do that, so it is noted, and people in the room are told.
//!
//! The room's rules keep such people out, but for one way: a join that was put aside can come in when branches of the room are resolved. Asking a cell to be
//! let in is none: whoever knows a room's id may ask.

use domicile_core::ids::UserNum;
use domicile_room::event::Pdu;
use domicile_store::{
    event_id,
    table::{
        events::{self, Status},
        key_incidents::{self, NewKeyIncident},
    },
};
use ruma::{UserId, events::TimelineEventType};
use serde::Deserialize;

use super::{Ingest, Round};
use crate::{
    Result,
    e2ee::key_incidents::{KeyIncidentKind, subject},
    rooms::{Facts, Membership, RoomView},
};

/// Whether a room is entered by invitation only.
fn is_closed(facts: &Facts) -> bool {
    #[derive(Deserialize)]
    struct JoinRules {
        join_rule: String,
    }
    let rules = facts.join_rules.as_ref().and_then(|pdu| pdu.content_as::<JoinRules>());
    // Whoever knocks is invited before they come in.
    rules.is_some_and(|rules| matches!(rules.join_rule.as_str(), "invite" | "knock"))
}

fn is_in_or_invited(view: &RoomView, user_num: UserNum) -> bool {
    matches!(view.membership(user_num), Membership::Join | Membership::Invite)
}

impl Ingest {
    /// Looks at those who have come in with an event that was taken. `before` is what was special about the room before it.
    pub(super) async fn look_at_newcomers(&self, round: &mut Round<'_>, before: &Facts) -> Result<()> {
        let newcomers = std::mem::take(&mut round.staging.newcomers);
        let view = &round.staging.view;
        if newcomers.is_empty() || !is_closed(before) || view.is_partial() || !is_closed(&view.facts) {
            return Ok(());
        }
        for (user_num, user_id, event_num) in newcomers {
            let join = self.sender.event_on(&round.staging, event_num).await?;
            self.look_at(round, &join, (user_num, &user_id)).await?;
        }
        Ok(())
    }

    /// Looks at an event that was not let in.
    pub(super) async fn look_at_refused(&self, round: &mut Round<'_>, pdu: &Pdu) -> Result<()> {
        let view = &round.staging.view;
        let is_join = *pdu.kind() == TimelineEventType::RoomMember
            && pdu.membership().is_some_and(|word| Membership::parse(&word) == Membership::Join)
            && pdu.state_key() == Some(pdu.sender().as_str());
        if !is_join || view.is_partial() || !is_closed(&view.facts) {
            return Ok(());
        }
        let Some(user_num) = self.users.num_or_new(pdu.sender()).await? else { return Ok(()) };
        if is_in_or_invited(&round.staging.view, user_num) {
            return Ok(());
        }
        self.look_at(round, pdu, (user_num, pdu.sender())).await
    }

    async fn look_at(&self, round: &mut Round<'_>, join: &Pdu, (user_num, user_id): (UserNum, &UserId)) -> Result<()> {
        let Some(home) = self.users.localities().other_cell_of(user_id) else { return Ok(()) };
        if self.was_invited(round, join, user_id).await? {
            return Ok(());
        }
        let kind = KeyIncidentKind::UninvitedJoin.word();
        let count = self
            .store
            .read(move |snapshot| async move { key_incidents::count_of(&snapshot, user_num, kind).await })
            .await?;
        let subject = subject(round.room.info.room_id.as_str(), count);
        let new = NewKeyIncident { user_num, kind, subject, home: home.as_str() };
        key_incidents::note(&mut round.staging.batch, new, self.clock.now_ms());
        tracing::warn!(
            cell = home.as_str(),
            "somebody of another cell came, or tried to come, into a room without an invitation"
        );
        Ok(())
    }

    /// Whether a join names an invite, or an earlier join, that counts here; or somebody in the room who has let them in by the rules for members of
    /// other rooms.
    async fn was_invited(&self, round: &Round<'_>, join: &Pdu, user_id: &UserId) -> Result<bool> {
        #[derive(Deserialize)]
        struct Restricted {
            join_authorised_via_users_server: Option<String>,
        }
        let restricted = join.content_as::<Restricted>();
        if restricted.is_some_and(|content| content.join_authorised_via_users_server.is_some()) {
            return Ok(true);
        }
        let (known, unknown): (Vec<_>, Vec<_>) =
            join.auth_events().iter().map(|id| (id, round.known(id))).partition(|(_, known)| known.is_some());
        let mut nums: Vec<_> = known.into_iter().filter_map(|(_, known)| known).collect();
        let ids: Vec<_> = unknown.into_iter().map(|(id, _)| event_id::to_bytes(id)).collect();
        if !ids.is_empty() {
            let room_num = round.room.info.room_num;
            let read = self.store.read(move |snapshot| async move { events::known(&snapshot, room_num, ids).await });
            nums.extend(read.await?.into_iter().map(|(_, event_num, status)| (event_num, status)));
        }
        for (event_num, status) in nums {
            if status.has(Status::REJECTED) || status.has(Status::SOFT_FAILED) {
                continue;
            }
            let event = self.sender.event_on(&round.staging, event_num).await?;
            let word = event.membership().map(|word| Membership::parse(&word));
            if event.state_key() == Some(user_id.as_str())
                && matches!(word, Some(Membership::Invite | Membership::Join))
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
