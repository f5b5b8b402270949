//! One entry of a register while it is read: what it names, and what it says about the decision. The buffer is used again for the next entry.

use std::ops::Range;

use super::problem::Place;

/// What a piece of an entry names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A host name; with `*` in it a mask.
    Name,
    /// A host name and everything below it.
    Tree,
    /// An address of a page.
    Url,
    /// An IP address or a network.
    Address,
}

/// Whether a piece is what the entry blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// It is blocked.
    Blocked,
    /// It stands beside what is blocked: where the blocked name led when the entry was made, for instance.
    Beside,
}

/// What an entry says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Its number in the register.
    Id,
    /// Who decided.
    Authority,
    /// The decision's number.
    Number,
    /// The decision's date.
    Date,
    /// Since when it is in the register.
    Included,
    /// By which law, in the register's own code.
    EntryType,
    /// How it is blocked, in the register's own word.
    BlockType,
    /// How soon, in the register's own code.
    Urgency,
    /// Why, in words.
    Reason,
}

const FACTS: usize = 9;

/// Bytes that one entry may have. What comes beyond is left out, and the layout tells so.
pub(crate) const LONGEST_ENTRY: usize = 4 << 20;
/// Bytes that one fact may have; longer ones are cut.
const LONGEST_FACT: usize = 1_024;

/// One entry. All texts are as they stand in the register: bytes of an encoding that the reader knows.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    place: Place,
    text: Vec<u8>,
    pieces: Vec<(Kind, Aim, Range<usize>)>,
    facts: [Range<usize>; FACTS],
}

impl Entry {
    /// Begins a new entry.
    pub fn begin(&mut self, place: Place) {
        self.place = place;
        self.text.clear();
        self.pieces.clear();
        self.facts = Default::default();
    }

    /// Adds what it names. Gives `false` if there is no more room.
    pub fn piece(&mut self, kind: Kind, aim: Aim, text: &[u8]) -> bool {
        let text = text.trim_ascii();
        if text.is_empty() {
            return true;
        }
        if self.text.len() + text.len() > LONGEST_ENTRY {
            return false;
        }
        let range = self.add(text);
        self.pieces.push((kind, aim, range));
        true
    }

    /// Says something about it.
    pub fn fact(&mut self, fact: Fact, text: &[u8]) {
        let text = text.trim_ascii();
        let range = self.add(text.get(..LONGEST_FACT).unwrap_or(text));
        self.facts[fact as usize] = range;
    }

    fn add(&mut self, text: &[u8]) -> Range<usize> {
        let start = self.text.len();
        self.text.extend_from_slice(text);
        start..self.text.len()
    }

    /// Sets what was added as blocked to stand beside, for pieces of some kinds.
    pub fn set_beside(&mut self, kinds: &[Kind]) {
        for (kind, aim, _) in &mut self.pieces {
            if kinds.contains(kind) {
                *aim = Aim::Beside;
            }
        }
    }

    /// Where it stands.
    pub fn place(&self) -> Place {
        self.place
    }

    /// What it names.
    pub fn pieces(&self) -> impl Iterator<Item = (Kind, Aim, &[u8])> {
        self.pieces.iter().map(|(kind, aim, range)| (*kind, *aim, self.text.get(range.clone()).unwrap_or_default()))
    }

    /// Whether it names something of a kind.
    pub fn has(&self, wanted: Kind) -> bool {
        self.pieces.iter().any(|(kind, ..)| *kind == wanted)
    }

    /// Whether it names nothing.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// What it says about itself; empty if nothing.
    pub fn get(&self, fact: Fact) -> &[u8] {
        self.text.get(self.facts[fact as usize].clone()).unwrap_or_default()
    }
}

/// What a layout tells while it reads.
pub trait Sink {
    /// An entry.
    fn entry(&mut self, entry: &Entry);
    /// Something that cannot be read. The layout goes on behind it if it can.
    fn problem(&mut self, place: Place, fault: super::problem::Fault);
}
