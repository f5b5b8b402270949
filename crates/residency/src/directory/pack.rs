//! Many entries of the log in little space: the name's hash and the home, and one signature at the end, which stands for the chain.
//!
//! The hash of each entry follows from the one before and what it says, so neither is written for each. A pack is a JSON object of what its
//! entries share, with its length before it, and then one entry after the other: `0`, the 16 bytes of a name, and the home, which takes it; or `1`
//! and the JSON of what it says. Lengths are 4 bytes, the most significant first; a home's is one byte.

use domicile_core::locality::CellName;
use serde::{Deserialize, Serialize};

use super::{Body, Entry, NameHash, Tip};

const TAKE: u8 = 0;
const OTHER: u8 = 1;

/// Entries that lie next to each other, all of one term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pack {
    /// Its last entry.
    pub tip: Tip,
    /// All of them, as they are kept.
    pub bytes: Vec<u8>,
}

/// A pack that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a part of the directory's log is damaged: restore it from a backup, or fetch it again with `domicile directory follow-anew`"
)]
pub struct Damaged;

/// What the entries of a pack share.
#[derive(Serialize, Deserialize)]
struct Head {
    first: u64,
    previous: String,
    term: u32,
    signature: String,
}

impl Pack {
    /// Packs entries that follow each other: one pack for each of their terms, of at most `most` entries each. None if one would end with an
    /// entry without a signature.
    pub fn all(entries: &[Entry], most: usize) -> Option<Vec<Self>> {
        let terms = entries.chunk_by(|one, next| one.term == next.term);
        terms.flat_map(|entries| Self::cut(entries, most)).map(Self::new).collect()
    }

    /// Cuts entries of one term where one has a signature.
    fn cut(mut entries: &[Entry], most: usize) -> Vec<&[Entry]> {
        let mut parts = Vec::new();
        while entries.len() > most {
            let (part, rest) = entries.split_at(most);
            let Some(signed) = part.iter().rposition(|entry| !entry.signature.is_empty()) else { break };
            let (part, _) = part.split_at(signed + 1);
            parts.push(part);
            entries = entries.get(part.len()..).unwrap_or(rest);
        }
        parts.push(entries);
        parts
    }

    fn new(entries: &[Entry]) -> Option<Self> {
        let (first, last) = (entries.first()?, entries.last().filter(|last| !last.signature.is_empty())?);
        let head = Head {
            first: first.index,
            previous: first.previous.clone(),
            term: first.term,
            signature: last.signature.clone(),
        };
        let mut bytes = Vec::new();
        put(&mut bytes, &serde_json::to_vec(&head).ok()?)?;
        for entry in entries {
            if let Some((name, home, length)) = taken(&entry.body) {
                bytes.push(TAKE);
                bytes.extend_from_slice(name.as_bytes());
                bytes.push(length);
                bytes.extend_from_slice(home.as_bytes());
            } else {
                bytes.push(OTHER);
                put(&mut bytes, &serde_json::to_vec(&entry.body).ok()?)?;
            }
        }
        Some(Self { tip: last.tip(), bytes })
    }

    /// The entries, the last one with the signature.
    pub fn entries(bytes: &[u8]) -> Result<Vec<Entry>, Damaged> {
        let mut rest = bytes;
        let length = length(&mut rest)?;
        let head: Head = serde_json::from_slice(take(&mut rest, length)?).map_err(|_| Damaged)?;
        let (mut entries, mut index, mut previous) = (Vec::<Entry>::new(), head.first, head.previous);
        while !rest.is_empty() {
            let entry = Entry { index, previous, body: body(&mut rest)?, term: head.term, signature: String::new() };
            previous = entry.hash();
            index = index.checked_add(1).ok_or(Damaged)?;
            entries.push(entry);
        }
        entries.last_mut().ok_or(Damaged)?.signature = head.signature;
        Ok(entries)
    }
}

/// A name that is taken, if it says it in the words that are read back.
fn taken(body: &Body) -> Option<(NameHash, &str, u8)> {
    let Body::Take { name, home } = body else { return None };
    let hash = NameHash::parse(name).filter(|hash| hash.to_string() == *name)?;
    CellName::parse(home)?;
    Some((hash, home, u8::try_from(home.len()).ok()?))
}

fn body(rest: &mut &[u8]) -> Result<Body, Damaged> {
    match take(rest, 1)? {
        [TAKE] => {
            let name = take(rest, 16)?.try_into().map_err(|_| Damaged)?;
            let length = usize::from(*take(rest, 1)?.first().ok_or(Damaged)?);
            let home = std::str::from_utf8(take(rest, length)?).map_err(|_| Damaged)?;
            Ok(Body::Take { name: NameHash::new(name).to_string(), home: home.to_owned() })
        }
        [OTHER] => {
            let length = length(rest)?;
            serde_json::from_slice(take(rest, length)?).map_err(|_| Damaged)
        }
        _ => Err(Damaged),
    }
}

fn put(bytes: &mut Vec<u8>, part: &[u8]) -> Option<()> {
    bytes.extend_from_slice(&u32::try_from(part.len()).ok()?.to_be_bytes());
    bytes.extend_from_slice(part);
    Some(())
}

fn length(rest: &mut &[u8]) -> Result<usize, Damaged> {
    let length = take(rest, 4)?.try_into().map_err(|_| Damaged)?;
    usize::try_from(u32::from_be_bytes(length)).map_err(|_| Damaged)
}

fn take<'b>(rest: &mut &'b [u8], length: usize) -> Result<&'b [u8], Damaged> {
    let (part, after) = rest.split_at_checked(length).ok_or(Damaged)?;
    *rest = after;
    Ok(part)
}
