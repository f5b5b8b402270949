//! A large answer of another server: it lies where it was spooled, and is read part by part. Of the tens of thousands of events that a room may be
//! told with, no more than what is being worked on is in memory.

mod spans;

use std::{borrow::Cow, io};

use domicile_egress::spool::Spool;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::PeerError;
use crate::{Error, Result};
use spans::{Found, Span};

/// Bytes of an element beyond which it is no event: several times what one may have, since it may be spaced out.
const ELEMENT: u32 = 512 * 1024;
/// What stands for an element that is no event.
const NOTHING: &str = "null";
/// Bytes that are read at once.
const WINDOW: usize = 64 * 1024;
/// Bytes of a member that is no list.
const MEMBER: u32 = 4 * 1024 * 1024;

/// An answer that is an object.
#[derive(Debug)]
pub(crate) struct LargeAnswer {
    spool: Spool,
    found: Found,
}

impl LargeAnswer {
    /// Looks where everything is. `lists` are those members that are large lists.
    pub(super) fn find(spool: Spool, lists: &[&str]) -> std::result::Result<Self, PeerError> {
        let found = spans::find(spool.reader(), lists).map_err(PeerError::Nonsense)?;
        Ok(Self { spool, found })
    }

    /// A large list; none if it is not there.
    pub(crate) fn list(&mut self, name: &str) -> Option<Listed> {
        let spans = self.found.lists.remove(name)?;
        let items = spans.into_iter().map(Item::Lies).collect();
        Some(Listed { spool: Some(self.spool.clone()), items })
    }

    /// A large list that has to be there.
    pub(crate) fn needed_list(&mut self, name: &str) -> std::result::Result<Listed, PeerError> {
        self.list(name).ok_or_else(|| PeerError::Nonsense(format!("`{name}` is missing")))
    }

    /// Another member; none if it is not there, or null.
    pub(crate) fn member<T: DeserializeOwned>(&self, name: &str) -> std::result::Result<Option<T>, PeerError> {
        let Some(span) = self.found.members.get(name) else { return Ok(None) };
        if span.length > MEMBER {
            return Err(PeerError::Nonsense(format!("`{name}` is too large")));
        }
        let text = self.spool.part(span.from, span.length as usize);
        let text = text.map_err(|error| PeerError::Request(error.to_string()))?;
        serde_json::from_slice(&text).map_err(|error| PeerError::Nonsense(format!("`{name}`: {error}")))
    }
}

/// An event that is here, or lies in an answer.
#[derive(Debug)]
enum Item {
    Here(Box<RawValue>),
    Lies(Span),
}

/// Events as they came, one after another.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    spool: Option<Spool>,
    items: Vec<Item>,
}

impl From<Vec<Box<RawValue>>> for Listed {
    fn from(events: Vec<Box<RawValue>>) -> Self {
        Self { spool: None, items: events.into_iter().map(Item::Here).collect() }
    }
}

impl Listed {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Adds events that are here.
    pub(crate) fn extend(&mut self, events: impl IntoIterator<Item = Box<RawValue>>) {
        self.items.extend(events.into_iter().map(Item::Here));
    }

    /// The events as they are written. What is no text, or too long for an event, is given as `null`, which nobody takes for one.
    pub(crate) fn texts(&self) -> impl Iterator<Item = Result<Cow<'_, str>>> {
        let mut window = Window::default();
        self.items.iter().map(move |item| match item {
            Item::Here(event) => Ok(Cow::Borrowed(event.get())),
            Item::Lies(span) if span.length > ELEMENT => Ok(Cow::Borrowed(NOTHING)),
            Item::Lies(span) => {
                let spool = self.spool.as_ref().ok_or_else(|| Error::internal("an event lies nowhere"))?;
                let text = window.part(spool, *span).map_err(Error::internal)?;
                Ok(String::from_utf8(text).map_or(Cow::Borrowed(NOTHING), Cow::Owned))
            }
        })
    }

    /// Pieces of `size` events, in their order.
    pub(crate) fn pieces(self, size: usize) -> Vec<Self> {
        let mut pieces = Vec::with_capacity(self.items.len().div_ceil(size.max(1)));
        let mut items = self.items.into_iter().peekable();
        while items.peek().is_some() {
            let items = items.by_ref().take(size.max(1)).collect();
            pieces.push(Self { spool: self.spool.clone(), items });
        }
        pieces
    }

    /// The same events in several lists, each in the one that `of` says; what it says nothing of goes into the last.
    pub(crate) fn sorted<const N: usize>(self, of: impl Fn(&str) -> usize) -> Result<[Self; N]> {
        let mut sorted = std::array::from_fn(|_| Self { spool: self.spool.clone(), items: Vec::new() });
        let places: Vec<usize> = self.texts().map(|text| Ok(of(&text?))).collect::<Result<_>>()?;
        for (item, place) in self.items.into_iter().zip(places) {
            if let Some(list) = sorted.get_mut(place.min(N.saturating_sub(1))) {
                list.items.push(item);
            }
        }
        Ok(sorted)
    }
}

/// What lies around the last event that was read: the next one most likely lies there, too.
#[derive(Default)]
struct Window {
    from: u64,
    bytes: Vec<u8>,
}

impl Window {
    fn part(&mut self, spool: &Spool, span: Span) -> io::Result<Vec<u8>> {
        let wanted = span.length as usize;
        if let Some(found) = self.find(span.from, wanted) {
            return Ok(found);
        }
        let left = usize::try_from(spool.length().saturating_sub(span.from)).unwrap_or(usize::MAX);
        *self = Self { from: span.from, bytes: spool.part(span.from, wanted.max(WINDOW.min(left)))? };
        self.find(span.from, wanted).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn find(&self, from: u64, length: usize) -> Option<Vec<u8>> {
        let at = usize::try_from(from.checked_sub(self.from)?).ok()?;
        Some(self.bytes.get(at..at.checked_add(length)?)?.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::value::to_raw_value;

    use super::*;

    #[test]
    fn parts_are_read_where_they_lie() {
        let text = r#"{"state":[{"type":"a"},17,{"type":"b"},{"type":},"x"],"origin":"a.example","none":null,"auth_chain":[]}"#;
        let spool = Spool::from(Bytes::from_static(text.as_bytes()));
        let mut answer = LargeAnswer::find(spool, &["state", "auth_chain"]).unwrap();
        assert_eq!(answer.member::<String>("origin").unwrap().as_deref(), Some("a.example"));
        assert_eq!(answer.member::<String>("none").unwrap(), None);
        assert!(answer.member::<u64>("origin").unwrap_err().to_string().contains("`origin`"));
        assert!(answer.member::<u64>("nothing").unwrap().is_none());
        assert!(answer.needed_list("auth_chain").unwrap().is_empty());
        assert!(answer.needed_list("auth_chain").is_err());
        let mut state = answer.list("state").unwrap();
        state.extend([to_raw_value("here").unwrap()]);
        let read = |listed: &Listed| listed.texts().map(|text| text.unwrap().into_owned()).collect::<Vec<_>>();
        let all = [r#"{"type":"a"}"#, "17", r#"{"type":"b"}"#, r#"{"type":}"#, r#""x""#, r#""here""#];
        assert_eq!(read(&state), all);
        let [objects, others] = state.sorted::<2>(|event| usize::from(!event.starts_with('{'))).unwrap();
        assert_eq!(read(&objects), [all[0], all[2], all[3]]);
        let pieces = others.pieces(2);
        assert_eq!(pieces.iter().map(Listed::len).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(pieces.iter().flat_map(read).collect::<Vec<_>>(), [all[1], all[4], all[5]]);
    }
}
