//! `dump.xml`, format version 2.4 and before: `<reg:register updateTime="…">` with one `<content>` for each entry, in Windows-1251. Its attribute
//! `blockType` says what of it is blocked: `default` (the pages), `domain`, `domain-mask` or `ip`. Times without an offset are Moscow's.

use std::io::BufRead;

use encoding_rs::WINDOWS_1251;

use super::{Head, Layout};
use crate::blocklist::{
    entry::{Aim, Entry, Fact, Kind, Sink},
    problem::{Fault, excerpt},
    text::time,
    xml::{Attributes, Node, walk},
};

/// Moscow's offset in minutes.
const MOSCOW: i64 = 180;

pub(super) struct RuXml;

#[derive(Default)]
struct State {
    head: Head,
    entry: Entry,
    block_type: String,
    in_entry: bool,
    /// What the element in work names.
    kind: Option<Kind>,
    text: String,
    is_full: bool,
}

impl Layout for RuXml {
    fn read(&self, from: &mut dyn BufRead, into: &mut dyn Sink) -> Head {
        let mut state = State::default();
        let ended = walk(from, WINDOWS_1251, |place, node| {
            match node {
                Node::Open(1, name, attributes) => state.root(name, attributes)?,
                Node::Open(2, "content", attributes) => {
                    state.entry.begin(place);
                    state.content(attributes);
                }
                Node::Open(3, name, attributes) if state.in_entry => state.inside(name, attributes),
                Node::Text(3, text) if state.kind.is_some() => state.text.push_str(text),
                Node::Close(3) => state.piece(),
                Node::Close(2) if state.in_entry => {
                    if std::mem::take(&mut state.is_full) {
                        into.problem(place, Fault::TooLong(crate::blocklist::entry::LONGEST_ENTRY));
                    }
                    state.aim();
                    into.entry(&state.entry);
                    state.in_entry = false;
                }
                _ => {}
            }
            Ok(())
        });
        if let Err((place, fault)) = ended {
            into.problem(place, fault);
        }
        state.head
    }
}

impl State {
    fn root(&mut self, name: &str, attributes: &Attributes<'_>) -> Result<(), Fault> {
        if name != "register" {
            return Err(Fault::Xml(format!("it begins with <{}> instead of <register>", excerpt(name, 40))));
        }
        let said = attributes.get("updateTime");
        self.head.updated_ms = time(&said, MOSCOW);
        if self.head.updated_ms.is_none() {
            return Err(Fault::Time(excerpt(&said, 60)));
        }
        // What is urgent changes the register between two changes of the whole.
        self.head.updated_ms = self.head.updated_ms.max(time(&attributes.get("updateTimeUrgently"), MOSCOW));
        Ok(())
    }

    fn content(&mut self, attributes: &Attributes<'_>) {
        self.in_entry = true;
        self.block_type.clear();
        attributes.each(|name, value| {
            let fact = match name {
                "id" => Fact::Id,
                "includeTime" => Fact::Included,
                "entryType" => Fact::EntryType,
                "urgencyType" => Fact::Urgency,
                "blockType" => {
                    self.block_type.push_str(value);
                    Fact::BlockType
                }
                _ => return,
            };
            self.entry.fact(fact, value.as_bytes());
        });
    }

    fn inside(&mut self, name: &str, attributes: &Attributes<'_>) {
        self.text.clear();
        self.kind = match name {
            "url" => Some(Kind::Url),
            "domain" if self.block_type == "domain-mask" => Some(Kind::Tree),
            "domain" => Some(Kind::Name),
            "ip" | "ipv6" | "ipSubnet" | "ipv6Subnet" => Some(Kind::Address),
            _ => None,
        };
        if name == "decision" {
            attributes.each(|name, value| {
                let fact = match name {
                    "date" => Fact::Date,
                    "number" => Fact::Number,
                    "org" => Fact::Authority,
                    _ => return,
                };
                self.entry.fact(fact, value.as_bytes());
            });
        }
    }

    fn piece(&mut self) {
        if let Some(kind) = self.kind.take() {
            self.is_full |= !self.entry.piece(kind, Aim::Blocked, self.text.as_bytes());
        }
    }

    /// Sets apart what is blocked from what stands beside it. A block type that is not known may mean anything, so all of it is taken as blocked.
    fn aim(&mut self) {
        let beside: &[Kind] = match self.block_type.as_str() {
            "domain" | "domain-mask" => &[Kind::Url, Kind::Address],
            "ip" => &[Kind::Url, Kind::Name, Kind::Tree],
            "default" | "" if self.entry.has(Kind::Url) => &[Kind::Name, Kind::Tree, Kind::Address],
            "default" | "" if self.entry.has(Kind::Name) => &[Kind::Address],
            _ => &[],
        };
        self.entry.set_beside(beside);
    }
}
