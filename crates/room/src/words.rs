//! The words of what people write: what a search looks for, the same on every database.

use std::collections::BTreeSet;

use ruma::events::TimelineEventType;
use serde::Deserialize;

use crate::event::Pdu;

/// Bytes of a word that count.
const LONGEST: usize = 64;

/// What can be searched (client-server, *Server Side Search*).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The `body` of a message.
    Body,
    /// The name of a room.
    Name,
    /// The topic of a room.
    Topic,
}

impl Field {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Body, Self::Name, Self::Topic];

    /// The letter before each of its words in the index.
    pub fn letter(self) -> char {
        match self {
            Self::Body => 'b',
            Self::Name => 'n',
            Self::Topic => 't',
        }
    }
}

/// Whether an event is of a type that can be searched.
pub fn is_searchable(pdu: &Pdu) -> bool {
    match pdu.kind() {
        TimelineEventType::RoomMessage => !pdu.is_state(),
        TimelineEventType::RoomName | TimelineEventType::RoomTopic => pdu.state_key() == Some(""),
        _ => false,
    }
}

/// What can be searched of an event.
pub fn searchable(pdu: &Pdu) -> Option<(Field, String)> {
    #[derive(Deserialize)]
    struct Body {
        body: String,
    }
    #[derive(Deserialize)]
    struct Name {
        name: String,
    }
    if !is_searchable(pdu) {
        return None;
    }
    let (field, text) = match pdu.kind() {
        TimelineEventType::RoomMessage => (Field::Body, pdu.content_as::<Body>()?.body),
        TimelineEventType::RoomName => (Field::Name, pdu.content_as::<Name>()?.name),
        TimelineEventType::RoomTopic => (Field::Topic, topic(pdu)),
        _ => return None,
    };
    (!text.is_empty()).then_some((field, text))
}

/// Both forms of a topic: the plain one, and the plain representations of the rich one.
fn topic(pdu: &Pdu) -> String {
    #[derive(Deserialize)]
    struct Plain {
        topic: String,
    }
    #[derive(Deserialize)]
    struct Rich {
        #[serde(rename = "m.topic")]
        topic: Representations,
    }
    #[derive(Deserialize)]
    struct Representations {
        #[serde(rename = "m.text")]
        text: Vec<Representation>,
    }
    #[derive(Deserialize)]
    struct Representation {
        body: String,
        mimetype: Option<String>,
    }
    let mut text = pdu.content_as::<Plain>().map(|plain| plain.topic).unwrap_or_default();
    for representation in pdu.content_as::<Rich>().map(|rich| rich.topic.text).unwrap_or_default() {
        if representation.mimetype.as_deref().is_none_or(|kind| kind == "text/plain") {
            text.push(' ');
            text.push_str(&representation.body);
        }
    }
    text
}

/// The words of a text in their order, in small letters. Where a script has no spaces between words, each character is one.
pub fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut end = |word: &mut String| {
        if !word.is_empty() {
            words.push(std::mem::take(word));
        }
    };
    for letter in text.chars().flat_map(char::to_lowercase) {
        if !letter.is_alphanumeric() {
            end(&mut word);
        } else if stands_alone(letter) {
            end(&mut word);
            word.push(letter);
            end(&mut word);
        } else if word.len() + letter.len_utf8() <= LONGEST {
            word.push(letter);
        }
    }
    end(&mut word);
    words
}

/// Characters of scripts without spaces between words: Thai, Lao, Khmer, Burmese, Kana, Han.
fn stands_alone(letter: char) -> bool {
    matches!(
        u32::from(letter),
        0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x3040..=0x30FF | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF
            | 0x2_0000..=0x3_FFFF
    )
}

/// What the index holds of an event: each of its words once with its field's letter, and the room's number with the letter `r`.
pub fn index(field: Field, text: &str, room_num: i64) -> String {
    let words: BTreeSet<String> = words(text).into_iter().collect();
    let mut index = format!("r{room_num}");
    for word in words {
        index.push(' ');
        index.push(field.letter());
        index.push_str(&word);
    }
    index
}

/// How well a text with all of the words that are looked for fits them, between 0 and 1: the more of its words they are, the better, and
/// the more often each stands there.
pub fn rank(text: &str, wanted: &[String]) -> f64 {
    let words = words(text);
    let length = f64::from(u32::try_from(words.len()).unwrap_or(u32::MAX));
    let mut sum = 0.0;
    for wanted in wanted {
        let count = words.iter().filter(|word| *word == wanted).count();
        let count = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        sum += count / (count + 0.5 + length / 20.0);
    }
    sum / f64::from(u32::try_from(wanted.len().max(1)).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_small_letters_between_everything_else() {
        assert_eq!(words("Hello, WORLD-wide web!  it's 2026"), ["hello", "world", "wide", "web", "it", "s", "2026"]);
        assert_eq!(words("Grüße aus Ærø, Привет"), ["grüße", "aus", "ærø", "привет"]);
        assert_eq!(words("東京tower"), ["東", "京", "tower"]);
        assert!(words(" \u{0}\u{1a}'\"&|!:*()<> ").is_empty(), "nothing that means something to a database");
        assert_eq!(words(&"é".repeat(100)), ["é".repeat(32)]);
    }

    #[test]
    fn an_index_has_each_word_once() {
        assert_eq!(index(Field::Body, "b a b", 7), "r7 ba bb");
        assert_eq!(index(Field::Topic, "", 7), "r7");
    }

    #[test]
    fn a_short_text_with_the_word_fits_better_than_a_long_one() {
        let wanted = ["cake".to_owned()];
        let (short, long) = (rank("cake", &wanted), rank(&format!("cake {}", "and more ".repeat(50)), &wanted));
        assert!(short > long && long > 0.0 && short <= 1.0, "{short} {long}");
        assert!(rank("cake cake cake", &wanted) > short);
        assert!(rank("bread", &wanted) < f64::EPSILON);
    }
}
