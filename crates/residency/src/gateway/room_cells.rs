//! Which cells are in a room, of what they say of themselves and of each other.
//!
//! What is said in a room may be told only to cells that are in it, and a cell that somebody stole says that it is in any. So a cell's word for
//! itself is not enough, nor is its silence: it takes another cell's word, or that a gateway saw somebody of it come in.

use std::collections::{BTreeMap, BTreeSet};

use domicile_core::locality::CellName;

/// What was said of one room.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// Cells that say that somebody of theirs is in it, and which others they know there.
    pub told: BTreeMap<CellName, BTreeSet<CellName>>,
    /// Cells that could not be asked.
    pub unreached: BTreeSet<CellName>,
    /// Cells of which a gateway saw somebody come in a short while ago. Others in the room may not have heard of it.
    pub seen: BTreeSet<CellName>,
}

/// What comes of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Cells in the room.
    pub cells: BTreeSet<CellName>,
    /// Cells that may be in it: nobody's word but their own says so, or nobody could be asked at all.
    pub doubtful: BTreeSet<CellName>,
    /// Whether this may be counted on later. What nobody could gainsay is believed for the moment only.
    pub lasts: bool,
}

/// Finds the cells in a room by what was known before and what was said now.
pub fn settle(before: &BTreeSet<CellName>, said: &Said) -> Settled {
    let there = |cell: &&CellName| said.told.contains_key(*cell) || said.unreached.contains(*cell);
    let mut cells: BTreeSet<CellName> = before.iter().filter(there).chain(&said.seen).cloned().collect();
    let gone: Vec<CellName> = cells.iter().filter(|cell| is_gainsaid(cell, &cells, said)).cloned().collect();
    for cell in gone {
        cells.remove(&cell);
    }
    let mut lasts = true;
    if cells.is_empty() {
        let named =
            said.told.keys().filter(|cell| said.told.iter().any(|(by, with)| by != *cell && with.contains(*cell)));
        cells = named.cloned().collect();
        if cells.is_empty() {
            // One alone is believed: other servers tell what they do because somebody is there. Of several that do not know each other nobody can
            // tell which is right.
            cells = said.told.keys().cloned().collect();
            lasts = cells.len() < 2 && said.unreached.is_empty();
        }
    }
    loop {
        let words = said.told.iter().filter(|(by, _)| cells.contains(*by)).flat_map(|(_, with)| with);
        let more: Vec<CellName> = words.filter(|cell| !cells.contains(*cell)).cloned().collect();
        if more.is_empty() {
            break;
        }
        cells.extend(more);
    }
    let mut doubtful: BTreeSet<CellName> = said.told.keys().filter(|cell| !cells.contains(*cell)).cloned().collect();
    if cells.is_empty() {
        doubtful.extend(said.unreached.iter().cloned());
    }
    Settled { cells, doubtful, lasts }
}

/// Whether others that are in a room say that nobody of a cell is there any more: those that it names itself, or that know each other. Where two
/// say it of one another, nobody can tell which is right.
fn is_gainsaid(cell: &CellName, cells: &BTreeSet<CellName>, said: &Said) -> bool {
    if said.seen.contains(cell) {
        return false;
    }
    let others: Vec<_> = said.told.iter().filter(|(other, _)| *other != cell && cells.contains(*other)).collect();
    let is_named = |cell: &CellName| others.iter().any(|(_, with)| with.contains(cell));
    let with = said.told.get(cell);
    let is_right = |other: &CellName| with.is_none_or(|with| with.contains(other)) || is_named(other);
    !is_named(cell) && others.iter().any(|(other, _)| is_right(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(names: &str) -> BTreeSet<CellName> {
        names.split_whitespace().filter_map(CellName::parse).collect()
    }

    /// What cells say, as `a: b c, b: a`; then who was not reached, and who was seen.
    fn said(told: &str, unreached: &str, seen: &str) -> Said {
        let told = told.split(',').filter_map(|one| one.split_once(':'));
        let told = told.map(|(by, with)| (CellName::parse(by.trim()).unwrap(), cells(with))).collect();
        Said { told, unreached: cells(unreached), seen: cells(seen) }
    }

    fn settled(before: &str, said: &Said) -> (String, String, bool) {
        let Settled { cells: found, doubtful, lasts } = settle(&cells(before), said);
        let words = |cells: BTreeSet<CellName>| cells.iter().map(CellName::as_str).collect::<Vec<_>>().join(" ");
        (words(found), words(doubtful), lasts)
    }

    fn is(cells: &str, doubtful: &str, lasts: bool) -> (String, String, bool) {
        (cells.to_owned(), doubtful.to_owned(), lasts)
    }

    #[test]
    fn who_is_named_by_somebody_there_is_there() {
        assert_eq!(settled("", &said("a: b, b: a", "", "")), is("a b", "", true));
        assert_eq!(settled("a", &said("a: b c, b: a", "", "")), is("a b c", "", true));
        assert_eq!(settled("", &said("a:", "", "")), is("a", "", true));
        assert_eq!(settled("", &said("", "", "")), is("", "", true));
    }

    #[test]
    fn a_cells_own_word_is_not_enough_where_another_is_there() {
        assert_eq!(settled("a", &said("a:, thief: a", "", "")), is("a", "thief", true));
        assert_eq!(settled("a b", &said("a: b, b: a, thief: a b", "", "")), is("a b", "thief", true));
        assert_eq!(settled("", &said("a: b, b: a, thief: a b", "", "")), is("a b", "thief", true));
        // Nor is it while the other one cannot be asked.
        assert_eq!(settled("a", &said("thief: a", "a", "")), is("a", "thief", true));
        // Nobody was there before and several say that they are: for the moment, until one names the other.
        assert_eq!(settled("", &said("a:, b:", "", "")), is("a b", "", false));
    }

    #[test]
    fn silence_is_not_enough_either() {
        assert_eq!(settled("a", &said("a:", "thief", "")), is("a", "", true));
        assert_eq!(settled("", &said("a:", "thief", "")), is("a", "", false));
        // Who was there is there while they cannot be asked; of a room of which nothing is known, all of them may be.
        assert_eq!(settled("a b", &said("a: b", "b", "")), is("a b", "", true));
        assert_eq!(settled("b", &said("", "b", "")), is("b", "", true));
        assert_eq!(settled("", &said("", "a b", "")), is("", "a b", false));
    }

    #[test]
    fn whose_people_are_gone_is_gone_by_the_others_word() {
        assert_eq!(settled("a b", &said("a:, b: a", "", "")), is("a", "b", true));
        assert_eq!(settled("a b", &said("a:", "b", "")), is("a", "", true));
        assert_eq!(settled("a b", &said("a:", "", "")), is("a", "", true));
        // Where each says so of the other, nobody can tell who is right.
        assert_eq!(settled("a b", &said("a:, b:", "", "")), is("a b", "", true));
        assert_eq!(settled("a b c", &said("a: b, b: a, c:", "", "")), is("a b", "c", true));
    }

    #[test]
    fn whoever_was_seen_to_come_is_there_before_others_have_heard_of_it() {
        assert_eq!(settled("a", &said("a:, b:", "", "b")), is("a b", "", true));
        assert_eq!(settled("a", &said("a:, b: a", "", "b")), is("a b", "", true));
        assert_eq!(settled("", &said("", "b", "b")), is("b", "", true));
    }
}
