//! Matching: each entry of a register, as it goes by, against everything of ours.
//!
//! An entry costs a look at a table for its name and for each name above it, and a look at sorted networks for its addresses; nothing of it is
//! kept unless it meets something of ours. What a malicious register could make costly (masks with stars inside, entries that meet all of ours)
//! is bounded by count.

use std::collections::BTreeMap;

use encoding_rs::Encoding;

use super::{
    address::Net,
    entry::{Aim, Entry, Fact, Kind, Sink},
    listing::{Broad, How, Key, Listing},
    name::{above, canonical, fits_mask, host_of_url},
    own::{Own, Spot},
    problem::{Fault, Place, Problem, Problems, excerpt},
    text::{date, decode},
};

/// Listings that are kept. More are counted.
const MOST_LISTINGS: usize = 10_000;
/// Meetings that are looked at. A register in which every entry meets all of ours would cost a day otherwise.
const MOST_MEETINGS: u64 = 200_000;
/// Names that are held against masks with stars inside.
const MOST_MASK_LOOKS: u64 = 2_000_000;
/// Broad entries and odd pieces that are kept for showing.
const SHOWN: usize = 20;
/// Characters of an entry's own text that are kept.
const LONGEST_TEXT: usize = 300;

/// A piece of an entry that names nothing: counted, and the first ones kept. It is no fault of the whole: what is ours can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Odd {
    /// Where.
    pub place: Place,
    /// The piece, shortened.
    pub text: String,
}

/// What was found in a part of a register.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Listings, each once.
    pub listings: BTreeMap<Key, Listing>,
    /// Meetings that there was no room to keep.
    pub more: u64,
    /// The first entries that are too wide to be about anybody.
    pub broad: Vec<Broad>,
    /// How many of these there are.
    pub broad_count: u64,
    /// The first pieces that name nothing.
    pub odd: Vec<Odd>,
    /// How many of these there are.
    pub odd_count: u64,
    /// Entries.
    pub entries: u64,
    /// Names, pages and addresses in them.
    pub pieces: u64,
    /// What cannot be read.
    pub problems: Problems,
}

/// Matches the entries of one part.
pub struct Matcher<'o> {
    own: &'o Own,
    part: &'o str,
    encoding: &'static Encoding,
    found: Found,
    name: Vec<u8>,
    mask_looks: u64,
    meetings: u64,
    /// What of ours the entry in work meets.
    met: Vec<(u32, How, String)>,
}

impl<'o> Matcher<'o> {
    /// For a part of a register in an encoding.
    pub fn new(own: &'o Own, part: &'o str, encoding: &'static Encoding) -> Self {
        Self {
            own,
            part,
            encoding,
            found: Found::default(),
            name: Vec::with_capacity(256),
            mask_looks: 0,
            meetings: 0,
            met: Vec::new(),
        }
    }

    /// What was found.
    pub fn finish(self) -> Found {
        self.found
    }

    fn piece(&mut self, entry: &Entry, kind: Kind, aim: Aim, text: &[u8]) -> Option<()> {
        match kind {
            Kind::Address => {
                let network = Net::parse(text)?;
                self.address(entry, aim, None, network);
            }
            Kind::Name | Kind::Tree => {
                let text = decode(text, self.encoding);
                // Some registers put pages and addresses among the names.
                if text.contains('/') {
                    return self.page(entry, aim, &text);
                }
                if let Some(network) = Net::parse(text.as_bytes()) {
                    self.address(entry, aim, None, network);
                    return Some(());
                }
                let host = host_of_url(&text)?;
                let mut name = std::mem::take(&mut self.name);
                let known = canonical(&host, &mut name).map(|name| self.name(entry, kind, aim, name));
                self.name = name;
                known?;
            }
            Kind::Url => self.page(entry, aim, &decode(text, self.encoding))?,
        }
        Some(())
    }

    /// A page: of our host, or of one below our mask.
    fn page(&mut self, entry: &Entry, aim: Aim, url: &str) -> Option<()> {
        // A network is written like a page without a scheme.
        if let Some(network) = Net::parse(url.as_bytes()) {
            self.address(entry, aim, None, network);
            return Some(());
        }
        let host = host_of_url(url)?;
        if let Some(network) = Net::parse(host.as_bytes()) {
            self.address(entry, aim, Some(url), network);
            return Some(());
        }
        let mut scratch = std::mem::take(&mut self.name);
        let known = canonical(&host, &mut scratch).map(|name| {
            let own = self.own;
            if name.contains(&b'*') {
                return self.name(entry, Kind::Name, aim, name);
            }
            let how = if aim == Aim::Beside { How::NameBeside } else { How::Url };
            if let Some(spot) = own.at(name) {
                self.add(&spot.exact, how, url);
            }
            if aim == Aim::Blocked {
                self.inside(name, url);
            }
        });
        self.name = scratch;
        known
    }

    fn name(&mut self, entry: &Entry, kind: Kind, aim: Aim, name: &[u8]) {
        let own = self.own;
        if let Some(star) = name.iter().rposition(|byte| *byte == b'*') {
            return self.mask(entry, name, star);
        }
        let is_top = !name.contains(&b'.');
        if let Some(spot) = own.at(name) {
            let shown = String::from_utf8_lossy(name);
            match (kind, aim) {
                (_, Aim::Beside) => self.add(&spot.exact, How::NameBeside, &shown),
                (Kind::Tree, _) if is_top => self.broad(entry, &shown),
                (Kind::Tree, _) => {
                    self.add(&spot.exact, How::Name, &shown);
                    self.add(&spot.below, How::Mask, &shown);
                }
                _ => {
                    self.add(&spot.exact, How::Name, &shown);
                    if !is_top {
                        self.add(&spot.below, How::NameAbove, &shown);
                    }
                }
            }
        }
        if aim == Aim::Blocked && own.has_masks() {
            let shown = String::from_utf8_lossy(name);
            self.inside(name, &shown);
        }
    }

    /// What is ours as a mask, and has a name inside.
    fn inside(&mut self, name: &[u8], shown: &str) {
        let own = self.own;
        if !own.has_masks() {
            return;
        }
        for spot in above(name).filter_map(|name| own.at(name)) {
            self.add(&spot.masks, How::Inside, shown);
        }
    }

    /// A mask, with its last star at a place. `*.example.org` is taken to mean example.org, too: registers that want both say only the mask.
    fn mask(&mut self, entry: &Entry, mask: &[u8], last_star: usize) {
        let own = self.own;
        let shown = String::from_utf8_lossy(mask);
        let tail = mask.get(last_star + 1..).unwrap_or_default();
        let base = tail.strip_prefix(b".").unwrap_or_default();
        // Stars and then one label or its end: everything in the world, or in a top-level domain.
        let begins = mask.iter().position(|byte| !matches!(byte, b'*' | b'.')).unwrap_or(mask.len());
        if mask.first() == Some(&b'*') && begins > last_star && !mask.get(begins..).unwrap_or_default().contains(&b'.')
        {
            return self.broad(entry, &shown);
        }
        if last_star == 0 && tail.first() == Some(&b'.') {
            if let Some(spot) = own.at(base) {
                self.add(&spot.exact, How::Mask, &shown);
                self.add(&spot.below, How::Mask, &shown);
            }
            return self.inside(base, &shown);
        }
        if mask.iter().filter(|byte| !matches!(byte, b'*' | b'.')).count() < 3 {
            return self.broad(entry, &shown);
        }
        // The names that can fit are below the whole labels behind the last star; without any, all can.
        let labels = memchr::memchr(b'.', tail).and_then(|at| tail.get(at + 1..)).unwrap_or_default();
        let candidates: Vec<u32> = match own.at(labels) {
            _ if labels.is_empty() => (0..).zip(own.texts()).map(|(number, _)| number).collect(),
            Some(Spot { exact, below, .. }) => exact.iter().chain(below).copied().collect(),
            None => return,
        };
        self.mask_looks += candidates.len() as u64;
        if self.mask_looks > MOST_MASK_LOOKS {
            self.found.more += candidates.len() as u64;
            return;
        }
        let fitting: Vec<u32> = candidates.into_iter().filter(|number| fits(own.text(*number), mask)).collect();
        self.add(&fitting, How::Mask, &shown);
    }

    fn address(&mut self, entry: &Entry, aim: Aim, url: Option<&str>, network: Net) {
        if network.is_everything() {
            return self.broad(entry, &network.shown());
        }
        if self.meetings > MOST_MEETINGS {
            self.found.more += 1;
            return;
        }
        let own = self.own;
        let mut met = Vec::new();
        own.networks().overlapping(network, |number| met.push(number));
        for number in met {
            // A page is ours by its host's address; what was written as a network is one.
            let is_network = own.text(number).contains('/') && !own.text(number).contains("://");
            let how = match (aim, url) {
                (Aim::Beside, _) => How::AddressBeside,
                (_, Some(_)) => How::Url,
                _ if !network.is_single() => How::Network,
                _ if is_network => How::Inside,
                _ => How::Address,
            };
            self.add(&[number], how, url.unwrap_or(&network.shown()));
        }
    }

    fn broad(&mut self, entry: &Entry, matched: &str) {
        self.found.broad_count += 1;
        if self.found.broad.len() < SHOWN {
            self.found.broad.push(Broad {
                matched: excerpt(matched, LONGEST_TEXT),
                authority: self.fact(entry, Fact::Authority),
                number: self.fact(entry, Fact::Number),
                part: self.part.to_owned(),
                place: entry.place(),
            });
        }
    }

    fn add(&mut self, own: &[u32], how: How, matched: &str) {
        self.meetings += own.len() as u64;
        if self.meetings > MOST_MEETINGS {
            self.found.more += own.len() as u64;
            return;
        }
        self.met.extend(own.iter().map(|number| (*number, how, excerpt(matched, LONGEST_TEXT))));
    }

    /// Keeps what an entry met: of each of ours the listings, and only where there is none, what it is near to.
    fn keep(&mut self, entry: &Entry) {
        let mut met = std::mem::take(&mut self.met);
        met.sort_unstable();
        let mut strongest: Option<(u32, How)> = None;
        for (own, how, matched) in met.drain(..) {
            match strongest {
                Some((of, how_much)) if of == own && (how_much.is_listed() || how_much < how) && !how.is_listed() => {
                    continue;
                }
                Some((of, _)) if of == own => {}
                _ => strongest = Some((own, how)),
            }
            let listing = self.listing(entry, own, how, matched);
            if self.found.listings.len() >= MOST_LISTINGS && !self.found.listings.contains_key(&listing.key) {
                self.found.more += 1;
                continue;
            }
            let kept = self.found.listings.entry(listing.key.clone()).or_insert_with(|| listing.clone());
            if listing.how < kept.how {
                *kept = listing;
            }
        }
        self.met = met;
    }

    fn listing(&self, entry: &Entry, own: u32, how: How, matched: String) -> Listing {
        let day = self.fact(entry, Fact::Date);
        Listing {
            key: Key {
                own: self.own.text(own).to_owned(),
                matched,
                authority: self.fact(entry, Fact::Authority),
                number: self.fact(entry, Fact::Number),
            },
            how,
            date: date(&day).unwrap_or(day),
            included: self.fact(entry, Fact::Included),
            id: self.fact(entry, Fact::Id),
            entry_type: self.fact(entry, Fact::EntryType),
            block_type: self.fact(entry, Fact::BlockType),
            urgency: self.fact(entry, Fact::Urgency),
            reason: self.fact(entry, Fact::Reason),
            part: self.part.to_owned(),
            place: entry.place(),
        }
    }

    fn fact(&self, entry: &Entry, fact: Fact) -> String {
        excerpt(decode(entry.get(fact), self.encoding).trim(), LONGEST_TEXT)
    }
}

/// Whether something of ours is a name, or has one, that fits a mask.
fn fits(own: &str, mask: &[u8]) -> bool {
    let host = if own.contains("://") { host_of_url(own).unwrap_or_default() } else { own.into() };
    Net::parse(host.as_bytes()).is_none() && fits_mask(host.trim_start_matches("*.").as_bytes(), mask)
}

impl Sink for Matcher<'_> {
    fn entry(&mut self, entry: &Entry) {
        self.found.entries += 1;
        for (kind, aim, text) in entry.pieces() {
            self.found.pieces += 1;
            if self.piece(entry, kind, aim, text).is_none() {
                self.found.odd_count += 1;
                if self.found.odd.len() < SHOWN {
                    let text = excerpt(&decode(text, self.encoding), 100);
                    self.found.odd.push(Odd { place: entry.place(), text });
                }
            }
        }
        if !self.met.is_empty() {
            self.keep(entry);
        }
    }

    fn problem(&mut self, place: Place, fault: Fault) {
        self.found.problems.push(Problem { place, fault });
    }
}
