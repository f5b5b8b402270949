//! Step 3: the copy shows the event, and one batch puts it on disk: event, state, membership, the room's new revision.

use std::sync::Arc;

use domicile_core::{
    error::ErrorKind,
    ids::{EventNum, UserNum},
};
use domicile_room::{
    auth,
    event::{ClientEvent, Pdu},
};
use domicile_store::{
    Batch, Value, event_id,
    numbers::Sequence,
    table::{events, memberships, push, rooms},
};
use ruma::{UserId, events::TimelineEventType};

use super::{Sender, StagedEvent, StagedKey, Staging};
use crate::{
    Result,
    events::Stored,
    rooms::{Facts, Member, Membership, RoomInfo, RoomView, live::RECENT},
};

impl Sender {
    /// Lets the copy show an event.
    pub(super) async fn put(&self, staging: &mut Staging, pdu: Arc<Pdu>) -> Result<()> {
        let event_num: EventNum = self.store.number(Sequence::Event).await?;
        let sender_num = self.user_num(pdu.sender()).await?;
        let state_before = staging.view.state_root;
        let key = match pdu.state_key() {
            Some(state_key) => Some(self.put_state(staging, event_num, &pdu, state_key).await?),
            None => None,
        };
        let related = self.relate(staging, &pdu).await?;
        let thread_num = related.as_ref().and_then(|related| related.thread_num);
        let counted = self.count(staging, &pdu, thread_num).await?;
        let view = &mut staging.view;
        view.has_relations |= related.is_some();
        view.depth = pdu.depth();
        view.extremities.clear();
        view.extremities.push((event_num, pdu.event_id().to_owned()));
        staging.staged.push(StagedEvent { event_num, pdu, sender_num, state_before, key, related, counted });
        Ok(())
    }

    async fn user_num(&self, user_id: &UserId) -> Result<UserNum> {
        let found = self.users.num_or_new(user_id).await?;
        Ok(found.ok_or_else(|| ErrorKind::NotFound.with(format!("There is no user {user_id} here.")))?)
    }

    async fn put_state(
        &self,
        staging: &mut Staging,
        event_num: EventNum,
        pdu: &Arc<Pdu>,
        state_key: &str,
    ) -> Result<StagedKey> {
        let member = match pdu.membership() {
            Some(word) => {
                let user_id = <&UserId>::try_from(state_key)
                    .map_err(|_| ErrorKind::InvalidParam.with(format!("{state_key} is no user id.")))?;
                let member = Member { membership: Membership::parse(&word), event_num };
                Some((self.user_num(user_id).await?, member))
            }
            None => None,
        };
        let key_num = self.keys.intern(&pdu.kind().to_string(), state_key).await?;
        let root = self.trees.insert(&mut staging.batch, staging.view.state_root, key_num, event_num).await?;
        let view = &mut staging.view;
        view.state_root = root;
        view.state.insert(key_num, event_num);
        if let Some((user_num, member)) = member {
            view.set_member(user_num, member);
        }
        update_facts(staging, pdu, state_key);
        Ok(StagedKey { key_num, member })
    }
}

fn update_facts(staging: &mut Staging, pdu: &Arc<Pdu>, state_key: &str) {
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
        TimelineEventType::RoomEncryption => facts.encrypted = true,
        _ => {}
    }
}

/// Writes what is staged; gives the room as it is now and the events as they are stored.
pub(super) async fn persist(sender: &Sender, staging: Staging) -> Result<(RoomView, Vec<Arc<Stored>>)> {
    let Staging { info, mut view, batch: extra, from_revision, old_extremities, staged, redacted, .. } = staging;
    let mut batch = Batch::new();
    let positions: Vec<Value> = staged.iter().map(|_| batch.position()).collect();
    let last = positions.last().cloned().unwrap_or(Value::from(view.last_position));
    let totals = view.totals.encode();
    let end_num = staged.last().map(|event| event.event_num).or(old_extremities.last().copied()).unwrap_or_default();
    if let Some(from_revision) = from_revision {
        let advance = rooms::Advance {
            room_num: info.room_num,
            from_revision,
            state_root: view.state_root,
            last_position: last,
            end_num,
            depth: view.depth,
            totals,
        };
        rooms::advance(&mut batch, advance);
    } else {
        let row = rooms::Room {
            room_num: info.room_num,
            room_id: info.room_id.to_string(),
            room_version: info.version.to_string(),
            revision: 1,
            state_root: view.state_root,
            last_position: view.last_position,
            end_num,
            depth: view.depth,
            totals,
            is_public: view.is_public,
        };
        rooms::insert(&mut batch, &row, last, sender.clock.now_ms());
    }
    for (event, position) in staged.iter().zip(&positions) {
        insert(&mut batch, &info, event, position);
    }
    if old_extremities.len() > 1 && !staged.is_empty() {
        rooms::remove_further_extremities(&mut batch, info.room_num);
    }
    note_readers_by_writing(&mut batch, &info, &view, &staged);
    batch.append(extra);
    let committed = sender.store.write(batch).await?;

    for (event_num, _) in redacted {
        sender.events.forget(event_num);
    }
    view.revision = from_revision.unwrap_or(0) + 1;
    let mut stored = Vec::with_capacity(staged.len());
    for (index, event) in (0_u32..).zip(staged) {
        let position = committed.position(index);
        view.last_position = position;
        let event = Arc::new(Stored {
            event_num: event.event_num,
            room: Arc::clone(&info),
            position: Some(position),
            sender_num: event.sender_num,
            state_before: event.state_before,
            thread_num: event.thread_num(),
            redacted_by: None,
            totals: event.counted.totals,
            client: ClientEvent::new(&event.pdu),
            pdu: event.pdu,
        });
        view.push_recent(Arc::clone(&event));
        sender.events.remember(&event);
        stored.push(event);
    }
    Ok((view, stored))
}

/// Whoever writes has read what came before. While their last message is among the room's recent events, these say so; when it leaves them, it is
/// written down. So a conversation writes nothing about it.
fn note_readers_by_writing(batch: &mut Batch, info: &RoomInfo, view: &RoomView, staged: &[StagedEvent]) {
    let leaving = (view.recent.len() + staged.len()).saturating_sub(RECENT).min(view.recent.len());
    for (index, event) in view.recent.iter().take(leaving).enumerate() {
        let (Some(position), false) = (event.position, event.pdu.is_state()) else { continue };
        let same = |later: &Arc<Stored>| later.sender_num == event.sender_num && !later.pdu.is_state();
        let stays = view.recent.iter().skip(index + 1).any(same)
            || staged.iter().any(|staged| staged.sender_num == event.sender_num && staged.key.is_none());
        if !stays {
            push::sent(batch, event.sender_num, info.room_num, position);
        }
    }
}

fn insert(batch: &mut Batch, info: &RoomInfo, event: &StagedEvent, position: &Value) {
    let row = events::Event {
        event_num: event.event_num,
        room_num: info.room_num,
        position: None,
        event_id: event_id::to_bytes(event.pdu.event_id()),
        sender_num: event.sender_num,
        origin_server_ts: i64::from(event.pdu.origin_server_ts().0),
        state_before: event.state_before,
        key_num: event.key.as_ref().map(|key| key.key_num),
        thread_num: event.thread_num(),
        redacted_by: None,
        totals: event.counted.totals.clone(),
        json: event.pdu.json().clone(),
    };
    events::insert(batch, &row, position.clone());
    if let Some(related) = &event.related {
        related.write(batch, info.room_num, event, position);
    }
    for (user_num, notify, highlight) in &event.counted.own {
        let counts = (*notify, *highlight);
        push::insert_own(batch, *user_num, info.room_num, position.clone(), event.thread_num(), counts);
    }
    if let Some((user_num, member)) = event.key.as_ref().and_then(|key| key.member) {
        let membership = member.membership.as_str();
        memberships::set(batch, user_num, info.room_num, membership, event.event_num, position.clone());
    }
}
