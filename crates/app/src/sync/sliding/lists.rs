//! Which rooms an answer is about: those in the windows of lists, and those that were subscribed to.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use domicile_core::ids::{Position, RoomNum};
use domicile_store::table::{
    account_data::{self, GLOBAL},
    sync::{self as table, RoomOfUser},
};
use ruma::{
    api::client::sync::sync_events::v5::request::ListFilters, directory::RoomTypeFilter, events::StateEventType,
};
use serde::Deserialize;

use super::{ListAnswer, Round};
use crate::{
    Result,
    rooms::Membership,
    sync::compute::{from_ignored, has_copy},
};

/// Lists that one request may name, and windows of a list.
const LARGEST: usize = 100;

/// What is wanted of a room.
#[derive(Clone, Debug, Default)]
pub(super) struct Details {
    /// Pairs of type and state key, with the protocol's wildcards.
    pub(super) required_state: BTreeSet<(StateEventType, String)>,
    /// Events of the timeline.
    pub(super) timeline_limit: u64,
}

impl Details {
    fn add(&mut self, required: &[(StateEventType, String)], limit: u64) {
        self.required_state.extend(required.iter().cloned());
        self.timeline_limit = self.timeline_limit.max(limit);
    }
}

/// The rooms of an answer with what is wanted of each, and how long the lists are.
pub(super) async fn choose(
    round: &Round<'_>,
    counts: &mut BTreeMap<String, ListAnswer>,
) -> Result<Vec<(RoomOfUser, Details)>> {
    let mut rows =
        table::rooms_of_user(&round.snapshot, round.session.user_num, Position(Position::START.0 - 1)).await?;
    rows.retain(|row| {
        matches!(Membership::parse(&row.membership), Membership::Join | Membership::Invite | Membership::Knock)
    });
    if !round.ignored.is_empty() {
        let mut welcome = Vec::with_capacity(rows.len());
        for row in rows {
            let invited = row.membership == "invite";
            if !(invited && from_ignored(round.parts, &round.snapshot, &round.ignored, &row).await?) {
                welcome.push(row);
            }
        }
        rows = welcome;
    }
    // The newest first; an invite is as new as itself.
    rows.sort_by_key(|row| std::cmp::Reverse(if row.membership == "join" { row.last_position } else { row.position }));
    let mut wanted: HashMap<RoomNum, Details> = HashMap::new();
    let direct = direct_rooms(round).await?;
    for (name, list) in round.request.lists.iter().take(LARGEST) {
        let mut members = Vec::new();
        for row in &rows {
            if fits(round, row, list.filters.as_ref(), &direct).await? {
                members.push(row.room_num);
            }
        }
        counts.insert(name.clone(), ListAnswer { count: members.len() });
        for (from, to) in list.ranges.iter().take(LARGEST) {
            let place = |number: ruma::UInt| usize::try_from(u64::from(number)).unwrap_or(usize::MAX);
            let (from, to) = (place(*from), place(*to).saturating_add(1).min(members.len()));
            for room_num in members.get(from..to).unwrap_or_default() {
                let details = wanted.entry(*room_num).or_default();
                details.add(&list.room_details.required_state, list.room_details.timeline_limit.into());
            }
        }
    }
    for (room_id, subscription) in round.request.room_subscriptions.iter().take(LARGEST) {
        for row in &rows {
            let info = round.parts.events.room_info(&round.snapshot, row.room_num).await?;
            if info.room_id == *room_id {
                let details = wanted.entry(row.room_num).or_default();
                details.add(&subscription.required_state, subscription.timeline_limit.into());
            }
        }
    }
    Ok(rows.into_iter().filter_map(|row| wanted.remove(&row.room_num).map(|details| (row, details))).collect())
}

async fn fits(
    round: &Round<'_>,
    row: &RoomOfUser,
    filters: Option<&ListFilters>,
    direct: &HashSet<String>,
) -> Result<bool> {
    let Some(filters) = filters else { return Ok(true) };
    let is_joined = row.membership == "join";
    if filters.is_invite.is_some_and(|wanted| wanted == is_joined) {
        return Ok(false);
    }
    let info = round.parts.events.room_info(&round.snapshot, row.room_num).await?;
    if filters.is_dm.is_some_and(|wanted| wanted != direct.contains(info.room_id.as_str())) {
        return Ok(false);
    }
    if filters.is_encrypted.is_none() && filters.room_types.is_empty() && filters.not_room_types.is_empty() {
        return Ok(true);
    }
    if !has_copy(row) {
        // What is known is what the inviting server shows, and that is for people.
        return Ok(filters.is_encrypted != Some(true) && filters.room_types.is_empty());
    }
    let view = round.parts.rooms.load(&round.snapshot, row.room_num).await?.view();
    if filters.is_encrypted.is_some_and(|wanted| wanted != view.facts.encrypted) {
        return Ok(false);
    }
    let room_type = RoomTypeFilter::from(room_type(&view.facts.create));
    let included = filters.room_types.is_empty() || filters.room_types.contains(&room_type);
    Ok(included && !filters.not_room_types.contains(&room_type))
}

fn room_type(create: &domicile_room::event::Pdu) -> Option<String> {
    #[derive(Deserialize)]
    struct Content {
        #[serde(rename = "type")]
        room_type: Option<String>,
    }
    create.content_as::<Content>().and_then(|content| content.room_type)
}

/// The rooms that the user's `m.direct` names.
pub(super) async fn direct_rooms(round: &Round<'_>) -> Result<HashSet<String>> {
    let content = account_data::get(&round.snapshot, round.session.user_num, GLOBAL, "m.direct").await?;
    let by_user: Option<HashMap<String, Vec<String>>> = content.and_then(|content| serde_json::from_str(&content).ok());
    Ok(by_user.unwrap_or_default().into_values().flatten().collect())
}
