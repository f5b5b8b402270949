//! Quiet events: no rule of the room asks about anything in their content, as with nearly every encrypted message. What the classes say about
//! such an event depends on its type and on the number of members alone, so it is found once and remembered.

use std::{borrow::Cow, collections::BTreeSet, fmt, sync::Arc};

use ruma::{events::TimelineEventType, push::PushCondition};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{Class, Outcome};
use crate::event::{Pdu, validate};

/// The key under which an event mentions users. It is always asked about: whoever is mentioned is asked on their own.
const MENTIONS: &str = "m.mentions";

/// Types of events whose outcomes are remembered.
const KINDS: usize = 4;

/// What the rules of some classes ask about an event that is no state event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Keys at the top of the content. An event with none of them is matched by no rule that names one.
    keys: BTreeSet<String>,
    /// Whether a rule may ask for something else that differs from event to event, so that none is quiet.
    more: bool,
}

impl Asked {
    /// What these classes ask.
    pub fn by<'a>(classes: impl IntoIterator<Item = &'a Class>) -> Self {
        let mut asked = Self { keys: BTreeSet::from([MENTIONS.to_owned()]), more: false };
        for conditions in classes.into_iter().flat_map(Class::conditions) {
            asked.add(conditions);
        }
        asked
    }

    /// Whether an event is quiet. One that cannot be read is not.
    pub fn is_quiet(&self, pdu: &Pdu) -> bool {
        !self.more
            && !pdu.is_state()
            && validate::depth(pdu.content().get()).is_ok()
            && read_without(pdu.content(), &self.keys)
    }

    /// All conditions of a rule must hold. So where one of them asks for a key that is not there, the others do not matter.
    fn add(&mut self, conditions: &[PushCondition]) {
        if let Some(key) = conditions.iter().find_map(content_key) {
            self.keys.insert(key);
        } else if !conditions.iter().all(is_shared) {
            self.more = true;
        }
    }
}

/// The first part of a path into the content.
fn content_key(condition: &PushCondition) -> Option<String> {
    let path = match condition {
        PushCondition::EventMatch(data) => &data.key,
        PushCondition::EventPropertyIs(data) => &data.key,
        PushCondition::EventPropertyContains(data) => &data.key,
        _ => return None,
    };
    let mut key = String::new();
    let mut letters = path.strip_prefix("content.")?.chars();
    loop {
        // Dots and backslashes in a key have a backslash before them (appendices, *Dot-separated property paths*).
        match letters.next() {
            None | Some('.') => return Some(key),
            Some('\\') => key.push(letters.next()?),
            Some(letter) => key.push(letter),
        }
    }
}

/// Whether a condition holds or not for all quiet events of one type in a room of one size.
fn is_shared(condition: &PushCondition) -> bool {
    match condition {
        // A quiet event has no state key.
        PushCondition::EventMatch(data) => matches!(data.key.as_str(), "type" | "state_key"),
        PushCondition::RoomMemberCount(_) => true,
        _ => false,
    }
}

/// Whether an object has none of the keys. All of it is read, with the same errors as when a value is made of it.
fn read_without(object: &RawValue, keys: &BTreeSet<String>) -> bool {
    struct Top<'k>(&'k BTreeSet<String>);

    impl<'de> Visitor<'de> for Top<'_> {
        type Value = bool;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
            let mut without = true;
            while let Some(key) = map.next_key::<Key<'de>>()? {
                without &= !self.0.contains(&*key.0);
                map.next_value::<Read>()?;
            }
            Ok(without)
        }
    }

    let mut json = serde_json::Deserializer::from_str(object.get());
    (&mut json).deserialize_map(Top(keys)).unwrap_or(false)
}

/// A key, borrowed where it has no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// Any value, read and thrown away.
struct Read;

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Read;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("any JSON")
            }

            fn visit_unit<E>(self) -> Result<Read, E> {
                Ok(Read)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Read, E> {
                Ok(Read)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Read, E> {
                Ok(Read)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Read, E> {
                Ok(Read)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Read, E> {
                Ok(Read)
            }

            fn visit_str<E>(self, _: &str) -> Result<Read, E> {
                Ok(Read)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Read, A::Error> {
                while list.next_element::<Read>()?.is_some() {}
                Ok(Read)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Read, A::Error> {
                while map.next_entry::<Read, Read>()?.is_some() {}
                Ok(Read)
            }
        }

        deserializer.deserialize_any(Any)
    }
}

/// What each of a room's classes says about an event, by the numbers of the classes.
pub type Outcomes = Arc<[(i64, Outcome)]>;

/// What was found for quiet events in one room, whose classes are always the same ones.
#[derive(Debug, Default)]
pub struct QuietOutcomes {
    found: Vec<(TimelineEventType, u64, Outcomes)>,
}

impl QuietOutcomes {
    /// What is remembered of quiet events of a type in a room with so many members.
    pub fn get(&self, kind: &TimelineEventType, members: u64) -> Option<Outcomes> {
        let found = self.found.iter().find(|(known, count, _)| *count == members && known == kind);
        found.map(|(_, _, outcomes)| Arc::clone(outcomes))
    }

    /// Remembers what was found for a quiet event.
    pub fn remember(&mut self, kind: &TimelineEventType, members: u64, outcomes: &Outcomes) {
        // Anybody can make up types.
        if self.found.len() >= KINDS {
            self.found.clear();
        }
        self.found.push((kind.clone(), members, Arc::clone(outcomes)));
    }
}
