//! Who has their home where a rule does not have it: a plan, from a deployment document and what is noted about people. Nothing is done by it.

mod explain;
#[cfg(test)]
mod tests;

use domicile_core::region::Region;

use crate::{deployment::Deployment, standing::Catalogue};

/// What counts about somebody for where their home should be.
#[derive(Clone, Copy, Debug)]
pub struct Person<'p> {
    /// The region of their home.
    pub home: &'p Region,
    /// The jurisdiction under whose law they live, if one is noted.
    pub jurisdiction: Option<&'p str>,
    /// The jurisdictions in which they want nothing of theirs to be.
    pub never_in: &'p [String],
}

/// Whether somebody's home is where it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It is.
    Stays(Stays),
    /// It is not, and these regions would be right, in the order of their names. There is at least one.
    Moves(Cause, Vec<Region>),
    /// It is not, and no region is right: somebody has to decide.
    Stuck(Cause, Lack),
}

/// Why a home is where it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stays {
    /// The region serves their jurisdiction.
    Serves,
    /// No region serves their jurisdiction, so that any will do.
    NobodyServes,
    /// No jurisdiction is noted, and none is guessed.
    NotNoted,
}

/// Why a home is not where it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The document has no such region, or no cell at work in it.
    NoCell,
    /// They want nothing of theirs to be in this jurisdiction, which the region serves.
    Never(String),
    /// Another region serves their jurisdiction, and this one does not.
    ServedElsewhere,
}

/// Why no region is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// What they want and where their jurisdiction is served are at odds.
    AtOdds,
    /// No other region has a cell at work in which they could be.
    NoneLeft,
}

/// Finds whether homes are where they should be.
pub struct Planner<'d> {
    deployment: &'d Deployment,
    laws: &'d Catalogue,
}

impl<'d> Planner<'d> {
    /// By a document, which need not be the one that is in force. `laws` tell which countries a union is made of.
    pub fn new(deployment: &'d Deployment, laws: &'d Catalogue) -> Self {
        Self { deployment, laws }
    }

    /// Whether a law's country or union has the country or union of `code` in it, or is it.
    fn covers(&self, law: &str, code: &str) -> bool {
        law.eq_ignore_ascii_case(code) || self.laws.jurisdiction(law).is_some_and(|law| law.covers(code))
    }

    /// Whether a region serves a jurisdiction.
    fn serves(&self, region: &Region, code: &str) -> bool {
        let policy = self.deployment.regions.get(region);
        policy.is_some_and(|policy| policy.jurisdictions.iter().any(|law| self.covers(law, code)))
    }

    /// The law of a region under which somebody wants nothing of theirs to be: also where it is a part of what they named, or has it as a part.
    pub fn barred<'r>(&'r self, region: &Region, never_in: &[String]) -> Option<&'r str> {
        let policy = self.deployment.regions.get(region)?;
        let named = |law: &String| never_in.iter().any(|never| self.covers(law, never) || self.covers(never, law));
        policy.jurisdictions.iter().find(|law| named(law)).map(String::as_str)
    }

    fn has_cell(&self, region: &Region) -> bool {
        self.deployment.cells.values().any(|cell| cell.region == *region)
    }

    /// Whether somebody's home is where it should be.
    pub fn find(&self, person: Person<'_>) -> Finding {
        let served = |region: &Region| person.jurisdiction.is_some_and(|code| self.serves(region, code));
        let at_work: Vec<&Region> = self.deployment.regions.keys().filter(|region| self.has_cell(region)).collect();
        let is_served = at_work.iter().any(|region| served(region));
        let cause = if !self.has_cell(person.home) {
            Cause::NoCell
        } else if let Some(law) = self.barred(person.home, person.never_in) {
            Cause::Never(law.to_owned())
        } else if is_served && !served(person.home) {
            Cause::ServedElsewhere
        } else {
            return Finding::Stays(match person.jurisdiction {
                None => Stays::NotNoted,
                Some(_) if is_served => Stays::Serves,
                Some(_) => Stays::NobodyServes,
            });
        };
        let right = |region: &&Region| {
            **region != *person.home && (!is_served || served(region)) && self.barred(region, person.never_in).is_none()
        };
        let others: Vec<Region> = at_work.iter().copied().filter(right).cloned().collect();
        if !others.is_empty() {
            return Finding::Moves(cause, others);
        }
        let lack = if is_served && !person.never_in.is_empty() { Lack::AtOdds } else { Lack::NoneLeft };
        Finding::Stuck(cause, lack)
    }
}
