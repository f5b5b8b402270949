//! Push rules, evaluated once for each distinct rule set and not for each member.
//!
//! [`split`] parts a user's rules in two. The [`Class`] holds those rules that ask nothing about whose they are: nearly all members of a
//! room share one class, and its [`Outcome`] for an event is theirs. [`Personal`] knows when one of the user's own rules (a mention, a
//! keyword, a sender) may speak instead; only then are their rules evaluated on their own with [`evaluate_user`].
//!
//! Who must be asked for an event: the users whom it addresses ([`PushEvent::addressed`]) and the few members whose [`Personal::watchful`]
//! is true, and of these those whose [`Personal::may_match`] is true.
//!
//! Of a quiet event ([`Asked::is_quiet`]) nothing needs to be evaluated at all, once another one like it was.

mod class;
mod event;
mod personal;
mod quiet;

use std::{
    collections::BTreeMap,
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use ruma::{
    UserId,
    push::{Action, HighlightTweakValue, Ruleset, Tweak},
};
use serde_json::Value;

pub use self::{
    class::{Class, ClassKey, Split, split},
    event::{PushEvent, RoomFacts},
    personal::Personal,
    quiet::{Asked, Outcomes, QuietOutcomes},
};

/// What the rules say about an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it notifies and counts as unread.
    pub notify: bool,
    /// Whether it counts as a highlight too.
    pub highlight: bool,
    /// What a push gateway is told about how to notify.
    pub tweaks: BTreeMap<String, Value>,
}

impl Outcome {
    fn of(actions: &[Action]) -> Self {
        let mut outcome = Self::default();
        for action in meaningful(actions) {
            match action {
                Action::Notify => outcome.notify = true,
                Action::SetTweak(tweak) => {
                    outcome.highlight |= matches!(tweak, Tweak::Highlight(HighlightTweakValue::Yes));
                    let value = tweak.value().and_then(|value| serde_json::from_str(value.get()).ok());
                    outcome.tweaks.insert(tweak.set_tweak().to_owned(), value.unwrap_or(Value::Bool(true)));
                }
                _ => {}
            }
        }
        outcome
    }
}

/// The outcome for one user, exactly. An event of their own never notifies them.
pub fn evaluate_user(
    rules: &Ruleset,
    user_id: &UserId,
    display_name: &str,
    event: &PushEvent,
    facts: &RoomFacts,
) -> Outcome {
    if event.sender() == user_id {
        return Outcome::default();
    }
    let context = facts.of_user(user_id, display_name);
    rules
        .iter()
        .find(|rule| at_once(rule.applies(event.flat(), &context)))
        .map_or_else(Outcome::default, |rule| Outcome::of(rule.actions()))
}

/// The actions that have an effect: none at all where nothing notifies, and no tweak that only says what holds anyway.
fn meaningful(actions: &[Action]) -> impl Iterator<Item = &Action> {
    let notifies = actions.iter().any(Action::should_notify);
    actions.iter().filter(move |action| {
        notifies
            && match action {
                Action::Notify => true,
                Action::SetTweak(tweak) => !matches!(tweak, Tweak::Highlight(HighlightTweakValue::No)),
                _ => false,
            }
    })
}

/// The answer of a condition. ruma's are asynchronous in form only: none that we enable waits for anything.
fn at_once(condition: impl Future<Output = bool>) -> bool {
    matches!(pin!(condition).poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(true))
}
