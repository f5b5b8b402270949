//! What rules are asked about: an event, flattened once, and its room at that moment.

use std::collections::BTreeMap;

use ruma::{
    OwnedUserId, RoomId, UInt, UserId,
    push::{FlattenedJson, PushConditionPowerLevelsCtx, PushConditionRoomCtx},
    serde::Raw,
    user_id,
};
use serde_json::Value;

use crate::{
    auth::PowerLevels,
    event::{ClientEvent, Pdu, PduError, validate},
};

/// An event in the form in which conditions read it.
#[derive(Clone, Debug)]
pub struct PushEvent {
    flat: FlattenedJson,
    sender: OwnedUserId,
    body: Option<String>,
    addressed: Vec<OwnedUserId>,
    has_mentions: bool,
}

impl PushEvent {
    /// The form of an event.
    pub fn new(pdu: &Pdu, room_id: &RoomId) -> Result<Self, PduError> {
        let failed = |reason: String| PduError::new(pdu.event_id().to_owned(), reason);
        // ruma's flattening panics on JSON that it cannot read, which another server may send; so it is read here first.
        validate::depth(pdu.content().get()).map_err(|error| failed(error.to_string()))?;
        let json = ClientEvent::new(pdu).raw_with_room(room_id, None).map_err(|error| failed(error.to_string()))?;
        let content: Value = serde_json::from_str(pdu.content().get()).map_err(|error| failed(error.to_string()))?;
        let flat = FlattenedJson::from_raw(&Raw::<Value>::from_json(json));

        let mentioned = content.pointer("/m.mentions/user_ids").and_then(Value::as_array);
        let mentioned = mentioned.into_iter().flatten().filter_map(Value::as_str);
        let mut addressed: Vec<OwnedUserId> =
            mentioned.chain(pdu.state_key()).filter_map(|id| UserId::parse(id).ok()).collect();
        addressed.sort_unstable();
        addressed.dedup();
        Ok(Self {
            sender: pdu.sender().to_owned(),
            body: flat.get_str("content.body").map(str::to_lowercase),
            has_mentions: flat.contains_mentions(),
            addressed,
            flat,
        })
    }

    /// Who sent it.
    pub fn sender(&self) -> &UserId {
        &self.sender
    }

    /// Those whom it mentions, and the one whom its state key names, in order.
    pub fn addressed(&self) -> &[OwnedUserId] {
        &self.addressed
    }

    /// The body in lower case.
    pub(super) fn body(&self) -> Option<&str> {
        self.body.as_deref()
    }

    /// Whether it has `m.mentions`, so that the rules from before it do not apply.
    pub(super) fn has_mentions(&self) -> bool {
        self.has_mentions
    }

    pub(super) fn flat(&self) -> &FlattenedJson {
        &self.flat
    }
}

/// A room as conditions ask about it, for one event.
#[derive(Clone, Debug)]
pub struct RoomFacts {
    context: PushConditionRoomCtx,
}

impl RoomFacts {
    /// A room with so many joined members. Of the power levels, the sender's is all that a condition asks for.
    pub fn new(room_id: &RoomId, joined_members: u64, sender: &UserId, power_levels: &PowerLevels) -> Self {
        let senders = power_levels.users.get(sender).map(|level| (sender.to_owned(), *level));
        let levels = PushConditionPowerLevelsCtx::new(
            BTreeMap::from_iter(senders),
            power_levels.users_default,
            power_levels.notifications.clone(),
            power_levels.rules.clone(),
        );
        let members = UInt::new_saturating(joined_members);
        // A class has no user. This one cannot be anybody's: no server is called so.
        let nobody = user_id!("@nobody:invalid").to_owned();
        let context = PushConditionRoomCtx::new(room_id.to_owned(), members, nobody, String::new());
        Self { context: context.with_power_levels(levels) }
    }

    pub(super) fn of_class(&self) -> &PushConditionRoomCtx {
        &self.context
    }

    pub(super) fn of_user(&self, user_id: &UserId, display_name: &str) -> PushConditionRoomCtx {
        let mut context = self.context.clone();
        user_id.clone_into(&mut context.user_id);
        display_name.clone_into(&mut context.user_display_name);
        context
    }
}
