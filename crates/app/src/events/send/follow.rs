//! What a copy of a room keeps of its state beside the state itself: members, what is asked most often, and where the members are.

use std::sync::Arc;

use domicile_core::ids::{DestinationNum, EventNum, UserNum};
use domicile_room::{auth, event::Pdu};
use ruma::{UserId, events::TimelineEventType};

use super::{Sender, Staging};
use crate::{
    Result,
    rooms::{Facts, Member, Membership},
};

/// The type of state that names a room's policy server.
const POLICY: &str = "m.room.policy";

/// What changes with an event beside the state itself.
#[derive(Default)]
pub(super) struct Changes {
    pub(super) members: Vec<(UserNum, Member)>,
    pub(super) destinations: Vec<(DestinationNum, i64)>,
    /// Those who are told this event and no other.
    pub(super) told_once: Vec<DestinationNum>,
}

impl Changes {
    /// Whether somebody on another server has to hear of them.
    pub(super) fn concern_others(&self) -> bool {
        !self.destinations.is_empty() || !self.told_once.is_empty()
    }
}

impl Sender {
    /// Brings what the copy keeps of its state in step with a state event that it shows now.
    pub(super) async fn follow(
        &self,
        staging: &mut Staging,
        changes: &mut Changes,
        event_num: EventNum,
        pdu: &Arc<Pdu>,
        state_key: &str,
    ) -> Result<()> {
        if let Some(word) = pdu.membership() {
            let member = Member { membership: Membership::parse(&word), event_num };
            if let Ok(user_id) = <&UserId>::try_from(state_key) {
                self.set_member(staging, changes, user_id, member).await?;
            }
        }
        update_facts(staging, pdu, state_key);
        Ok(())
    }

    /// Sets somebody's membership in the copy, and the count of those who are joined from their server. Of this server's own people, only those
    /// who exist have one.
    pub(super) async fn set_member(
        &self,
        staging: &mut Staging,
        changes: &mut Changes,
        user_id: &UserId,
        member: Member,
    ) -> Result<()> {
        let Some(user_num) = self.users.num_or_new(user_id).await? else { return Ok(()) };
        let before = staging.view.membership(user_num);
        let was_joined = before == Membership::Join;
        staging.view.set_member(user_num, member);
        changes.members.push((user_num, member));
        if member.membership == Membership::Join
            && !matches!(before, Membership::Join | Membership::Invite)
            && self.users.localities().other_cell_of(user_id).is_some()
        {
            staging.newcomers.push((user_num, user_id.to_owned(), member.event_num));
        }
        let difference = i64::from(member.membership == Membership::Join) - i64::from(was_joined);
        // Whose invite or knock comes to an end hears of it, though nobody of theirs is in the room.
        let waited = matches!(before, Membership::Invite | Membership::Knock);
        if waited
            && matches!(member.membership, Membership::Leave | Membership::Ban)
            && let Some(destination_num) = self.destinations.of_user(user_id).await?
            && !staging.view.destinations.contains_key(&destination_num)
        {
            changes.told_once.push(destination_num);
        }
        if difference == 0 {
            return Ok(());
        }
        let Some(destination_num) = self.destinations.of_user(user_id).await? else {
            staging.view.here += difference;
            return Ok(());
        };
        let joined = staging.view.destinations.get(&destination_num).copied().unwrap_or(0) + difference;
        // While not all members are known, others of theirs may be there.
        let joined = joined.max(i64::from(staging.view.is_partial()));
        if joined > 0 {
            if staging.view.destinations.insert(destination_num, joined).is_none() {
                staging.first_of.push(destination_num);
            }
        } else {
            staging.view.destinations.remove(&destination_num);
        }
        changes.destinations.retain(|(known, _)| *known != destination_num);
        changes.destinations.push((destination_num, joined));
        Ok(())
    }
}

pub(super) fn update_facts(staging: &mut Staging, pdu: &Arc<Pdu>, state_key: &str) {
    if !state_key.is_empty() {
        return;
    }
    let rules = &staging.info.rules;
    let facts: &mut Facts = Arc::make_mut(&mut staging.view.facts);
    match pdu.kind() {
        TimelineEventType::RoomPowerLevels => {
            facts.power_levels = Arc::new(auth::power_levels(&facts.create, Some(pdu), rules));
            facts.power_levels_event = Some(Arc::clone(pdu));
        }
        TimelineEventType::RoomJoinRules => facts.join_rules = Some(Arc::clone(pdu)),
        TimelineEventType::RoomHistoryVisibility => facts.history_visibility = Some(Arc::clone(pdu)),
        TimelineEventType::RoomServerAcl => facts.server_acl = Some(Arc::clone(pdu)),
        TimelineEventType::RoomEncryption => facts.encrypted = true,
        other if other.to_string() == POLICY => facts.policy = Some(Arc::clone(pdu)),
        _ => {}
    }
}

/// Takes away what the copy keeps of a type of state that it has no more.
pub(super) fn remove_fact(staging: &mut Staging, kind: &TimelineEventType) {
    let rules = &staging.info.rules;
    let facts: &mut Facts = Arc::make_mut(&mut staging.view.facts);
    match kind {
        TimelineEventType::RoomPowerLevels => {
            facts.power_levels = Arc::new(auth::power_levels(&facts.create, None, rules));
            facts.power_levels_event = None;
        }
        TimelineEventType::RoomJoinRules => facts.join_rules = None,
        TimelineEventType::RoomHistoryVisibility => facts.history_visibility = None,
        TimelineEventType::RoomServerAcl => facts.server_acl = None,
        TimelineEventType::RoomEncryption => facts.encrypted = false,
        other if other.to_string() == POLICY => facts.policy = None,
        _ => {}
    }
}
