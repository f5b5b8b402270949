//! When a user's own rules may say something else than their class.

use ruma::{
    OwnedUserId, UserId,
    push::{PushCondition, ScalarJsonValue},
};

use super::PushEvent;

/// The path of the users whom an event mentions.
const MENTIONED: &str = r"content.m\.mentions.user_ids";

/// What must be true of an event before one of the user's own rules can match: less than the rule asks, and quick to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trigger {
    /// The event mentions the user or its state key is theirs.
    Addressed,
    /// The body has the user's display name.
    DisplayName,
    /// A text, in lower case, is part of a value.
    Contains { key: String, text: String },
    /// A value is this.
    Is { key: String, value: ScalarJsonValue },
    /// A list has this.
    Has { key: String, value: ScalarJsonValue },
}

/// A user's own triggers in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Personal {
    user_id: OwnedUserId,
    addressed: bool,
    watched: Vec<Trigger>,
}

impl Personal {
    pub(super) fn new(user_id: &UserId) -> Self {
        Self { user_id: user_id.to_owned(), addressed: false, watched: Vec::new() }
    }

    pub(super) fn add(&mut self, trigger: Trigger) {
        if trigger == Trigger::Addressed {
            self.addressed = true;
        } else if !self.watched.contains(&trigger) {
            self.watched.push(trigger);
        }
    }

    /// Whether the user must be asked about events that do not address them: they have a keyword, a rule for a sender or the like.
    pub fn watchful(&self) -> bool {
        !self.watched.is_empty()
    }

    /// Whether a rule of the user's own may match. Where this is false, the outcome is that of their class.
    pub fn may_match(&self, event: &PushEvent, display_name: &str) -> bool {
        (self.addressed && event.addressed().binary_search(&self.user_id).is_ok())
            || self.watched.iter().any(|trigger| trigger.may_match(event, display_name))
    }
}

impl Trigger {
    /// The trigger of a condition that asks whose rule it is; none for a condition that can be everybody's.
    pub(super) fn of(condition: &PushCondition, user_id: &UserId) -> Option<Self> {
        let is_user = |value: &ScalarJsonValue| value.as_str() == Some(user_id.as_str());
        match condition {
            #[expect(deprecated, reason = "older clients still keep such rules")]
            PushCondition::ContainsDisplayName => Some(Self::DisplayName),
            PushCondition::EventMatch(data) if data.pattern == user_id.as_str() && data.key == "state_key" => {
                Some(Self::Addressed)
            }
            PushCondition::EventMatch(data)
                if data.pattern == user_id.as_str() || matches!(data.key.as_str(), "content.body" | "sender") =>
            {
                Some(Self::contains(&data.key, &data.pattern))
            }
            PushCondition::EventPropertyIs(data) if is_user(&data.value) || data.key == "sender" => {
                Some(Self::Is { key: data.key.clone(), value: data.value.clone() })
            }
            PushCondition::EventPropertyContains(data) if is_user(&data.value) && data.key == MENTIONED => {
                Some(Self::Addressed)
            }
            PushCondition::EventPropertyContains(data) if is_user(&data.value) => {
                Some(Self::Has { key: data.key.clone(), value: data.value.clone() })
            }
            _ => None,
        }
    }

    /// The longest stretch of a pattern without wildcards is part of all that the pattern matches.
    pub(super) fn contains(key: &str, pattern: &str) -> Self {
        let pattern = pattern.to_lowercase();
        let stretches = pattern.split(['*', '?', '\\']);
        let text = stretches.max_by_key(|stretch| stretch.len()).unwrap_or_default().to_owned();
        Self::Contains { key: key.to_owned(), text }
    }

    fn may_match(&self, event: &PushEvent, display_name: &str) -> bool {
        let flat = event.flat();
        match self {
            // Told apart by `Personal`, which knows the user.
            Self::Addressed => true,
            Self::DisplayName => event.body().is_some_and(|body| body.contains(&display_name.to_lowercase())),
            Self::Contains { key, text } if key == "content.body" => {
                event.body().is_some_and(|body| body.contains(text))
            }
            Self::Contains { key, text } => {
                flat.get_str(key).is_some_and(|found| found.to_lowercase().contains(text.as_str()))
            }
            Self::Is { key, value } => flat.get(key).is_some_and(|found| found == value),
            Self::Has { key, value } => {
                flat.get(key).and_then(|found| found.as_array()).is_some_and(|found| found.contains(value))
            }
        }
    }
}
