//! Classes: the part of a rule set that is not about whose it is, as far as it can matter in one room.

use ruma::{
    RoomId, UserId,
    push::{Action, AnyPushRuleRef, PushCondition, PushConditionRoomCtx, Ruleset},
    uint, user_id,
};
use ruma::{push::FlattenedJson, serde::Raw};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::{Outcome, Personal, PushEvent, RoomFacts, at_once, meaningful, personal::Trigger};

/// Default rules from before `m.mentions`, which do not apply to events that have it.
const BEFORE_MENTIONS: [&str; 3] = [".m.rule.contains_display_name", ".m.rule.roomnotif", ".m.rule.contains_user_name"];

/// Conditions that are known; a rule with any other never matches.
const KNOWN: [&str; 6] = [
    "event_match",
    "contains_display_name",
    "room_member_count",
    "sender_notification_permission",
    "event_property_is",
    "event_property_contains",
];

/// A name for a class: the same for the same rules.
pub type ClassKey = [u8; 16];

/// The rules of a class in their order. The first that matches decides; where none does, nothing notifies.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Class {
    rules: Vec<ClassRule>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct ClassRule {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    conditions: Vec<PushCondition>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    actions: Vec<Action>,
    /// Whether the rule is one of [`BEFORE_MENTIONS`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    before_mentions: bool,
}

/// A rule set in its two parts.
#[derive(Clone, Debug)]
pub struct Split {
    /// What is shared.
    pub class: Class,
    /// What is the user's own.
    pub personal: Personal,
}

impl Class {
    /// The class of everybody who never changed a rule, in every room.
    pub fn server_default() -> Self {
        let nobody = user_id!("@nobody:invalid");
        split(&Ruleset::server_default(nobody), nobody, ruma::room_id!("!none:invalid")).class
    }

    /// The stored form.
    pub fn to_json(&self) -> String {
        // Rules came from JSON; they always have one.
        serde_json::to_string(self).unwrap_or_else(|_| "[]".to_owned())
    }

    /// The class of a stored form.
    pub fn from_json(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }

    /// The name.
    pub fn key(&self) -> ClassKey {
        let mut key = ClassKey::default();
        key.copy_from_slice(&Sha256::digest(self.to_json())[..16]);
        key
    }

    /// The conditions of each rule.
    pub(super) fn conditions(&self) -> impl Iterator<Item = &[PushCondition]> {
        self.rules.iter().map(|rule| &rule.conditions[..])
    }

    /// What the class says about an event. It is the outcome of each member but the sender, and but those whose own rules may match.
    pub fn evaluate(&self, event: &PushEvent, facts: &RoomFacts) -> Outcome {
        let found = self.rules.iter().find(|rule| rule.matches(event, facts.of_class()));
        found.map_or_else(Outcome::default, |rule| Outcome::of(&rule.actions))
    }
}

impl ClassRule {
    fn matches(&self, event: &PushEvent, context: &PushConditionRoomCtx) -> bool {
        !(self.before_mentions && event.has_mentions())
            && self.conditions.iter().all(|condition| at_once(condition.applies(event.flat(), context)))
    }

    /// Whether the rule matches every event, so that none after it is ever reached.
    fn is_last(&self) -> bool {
        self.conditions.is_empty() && !self.before_mentions
    }
}

/// Parts the rules of a user in a room. What cannot matter there is left out: disabled rules, rules for other rooms, rules behind one that
/// always matches, and what distinguishes one room from another, so that users with the same wishes in different rooms share a class.
pub fn split(rules: &Ruleset, user_id: &UserId, room_id: &RoomId) -> Split {
    let mut class = Class::default();
    let mut personal = Personal::new(user_id);
    for rule in rules.iter().filter(|rule| rule.enabled()) {
        match part(rule, user_id, room_id) {
            Part::Never => {}
            Part::Personal(trigger) => personal.add(trigger),
            Part::Shared(rule) => {
                let last = rule.is_last();
                class.rules.push(rule);
                if last {
                    break;
                }
            }
        }
    }
    while class.rules.last().is_some_and(|rule| rule.actions.is_empty()) {
        class.rules.pop();
    }
    Split { class, personal }
}

enum Part {
    Never,
    Personal(Trigger),
    Shared(ClassRule),
}

fn part(rule: AnyPushRuleRef<'_>, user_id: &UserId, room_id: &RoomId) -> Part {
    let conditions = match rule {
        AnyPushRuleRef::Override(rule) | AnyPushRuleRef::Underride(rule) => &rule.conditions[..],
        AnyPushRuleRef::Content(rule) => return Part::Personal(Trigger::contains("content.body", &rule.pattern)),
        AnyPushRuleRef::Sender(rule) => {
            return Part::Personal(Trigger::Is { key: "sender".to_owned(), value: rule.rule_id.as_str().into() });
        }
        AnyPushRuleRef::Room(rule) if rule.rule_id == room_id => &[],
        _ => return Part::Never,
    };
    let mut kept = Vec::with_capacity(conditions.len());
    let mut own = None;
    // The one default rule about the body is everybody's.
    let about_body = |condition: &PushCondition| {
        rule.is_server_default() && matches!(condition, PushCondition::EventMatch(data) if data.key == "content.body")
    };
    for condition in conditions {
        if !KNOWN.contains(&condition.kind()) {
            return Part::Never;
        }
        match in_room(condition, room_id) {
            Some(true) => continue,
            Some(false) => return Part::Never,
            None => {}
        }
        let trigger = Trigger::of(condition, user_id).filter(|_| !about_body(condition));
        // Any of the rule's triggers would do; being addressed is the cheapest to watch for.
        if own.is_none() || trigger == Some(Trigger::Addressed) {
            own = trigger.or(own);
        }
        kept.push(condition.clone());
    }
    match own {
        Some(trigger) => Part::Personal(trigger),
        None => Part::Shared(ClassRule {
            conditions: kept,
            actions: meaningful(rule.actions()).cloned().collect(),
            before_mentions: BEFORE_MENTIONS.contains(&rule.rule_id()),
        }),
    }
}

/// Whether a condition about the room's id holds; none for other conditions.
fn in_room(condition: &PushCondition, room_id: &RoomId) -> Option<bool> {
    match condition {
        PushCondition::EventMatch(data) if data.key == "room_id" => {
            let nobody = user_id!("@nobody:invalid").to_owned();
            let context = PushConditionRoomCtx::new(room_id.to_owned(), uint!(1), nobody, String::new());
            let nothing = FlattenedJson::from_raw(&Raw::<()>::from_json(RawValue::NULL.to_owned()));
            Some(at_once(condition.applies(&nothing, &context)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
