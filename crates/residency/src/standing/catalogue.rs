//! The catalogue of duties: what comes with the program, and what an operator adds or corrects.

use std::collections::BTreeMap;

use domicile_core::config::{Problem, Problems};

use super::{
    duty::{Duty, Jurisdiction},
    read,
};

/// What comes with the program.
const EMBEDDED: [(&str, &str); 8] = [
    ("CN.toml", include_str!("../../jurisdictions/CN.toml")),
    ("EU.toml", include_str!("../../jurisdictions/EU.toml")),
    ("ID.toml", include_str!("../../jurisdictions/ID.toml")),
    ("IN.toml", include_str!("../../jurisdictions/IN.toml")),
    ("KZ.toml", include_str!("../../jurisdictions/KZ.toml")),
    ("RU.toml", include_str!("../../jurisdictions/RU.toml")),
    ("TR.toml", include_str!("../../jurisdictions/TR.toml")),
    ("VN.toml", include_str!("../../jurisdictions/VN.toml")),
];

/// A file of the operator's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name, for messages.
    pub name: String,
    /// What it says.
    pub text: String,
}

/// All jurisdictions with their duties, by code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalogue {
    jurisdictions: BTreeMap<String, Jurisdiction>,
}

impl Catalogue {
    /// What comes with the program, with the operator's files laid over it.
    ///
    /// A file for a jurisdiction that is there replaces its name, members, day and note, replaces duties of the same id, and adds others. One for
    /// a jurisdiction that is not there adds it.
    pub fn read<'a>(files: impl IntoIterator<Item = &'a File>) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let mut jurisdictions = BTreeMap::new();
        for (name, text) in EMBEDDED {
            add(&mut jurisdictions, name, text, false, &mut problems);
        }
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        for file in files {
            let Some(code) = add(&mut jurisdictions, &file.name, &file.text, true, &mut problems) else { continue };
            if let Some(other) = seen.insert(code.clone(), file.name.clone()) {
                problems
                    .push(Problem::about(&file.name, format!("{other} is for {code}, too: put both into one file")));
            }
        }
        let catalogue = Self { jurisdictions };
        catalogue.check_conflicts(&mut problems);
        if problems.is_empty() { Ok(catalogue) } else { Err(problems) }
    }

    /// What comes with the program. A test keeps it free of problems; should it have some, there is nothing in it.
    pub fn embedded() -> Self {
        Self::read([]).unwrap_or(Self { jurisdictions: BTreeMap::new() })
    }

    /// All jurisdictions, in the order of their codes.
    pub fn all(&self) -> impl Iterator<Item = &Jurisdiction> {
        self.jurisdictions.values()
    }

    /// The jurisdiction of a code.
    pub fn jurisdiction(&self, code: &str) -> Option<&Jurisdiction> {
        self.jurisdictions.get(code)
    }

    /// A code, and those of its members if it is a union of which something is known.
    pub fn codes(&self, code: &str) -> Vec<String> {
        let members = self.jurisdiction(code).into_iter().flat_map(|law| &law.members);
        std::iter::once(code).chain(members.map(String::as_str)).map(str::to_owned).collect()
    }

    /// A duty by its whole name, such as `RU/ori-registration`.
    pub fn duty(&self, name: &str) -> Option<(&Jurisdiction, &Duty)> {
        let (code, id) = name.split_once('/')?;
        let jurisdiction = self.jurisdiction(code)?;
        Some((jurisdiction, jurisdiction.duty(id)?))
    }

    fn check_conflicts(&self, problems: &mut Problems) {
        for jurisdiction in self.all() {
            for duty in &jurisdiction.duties {
                for conflict in duty.conflicts.iter().filter(|conflict| self.duty(&conflict.with).is_none()) {
                    let place = format!("{}/{}", jurisdiction.code, duty.id);
                    problems.push(Problem::about(
                        &place,
                        format!("it conflicts with {}, which does not exist", conflict.with),
                    ));
                }
            }
        }
    }
}

/// Adds a file, and gives the code that it is for.
fn add(
    jurisdictions: &mut BTreeMap<String, Jurisdiction>,
    name: &str,
    text: &str,
    over: bool,
    problems: &mut Problems,
) -> Option<String> {
    let new = match read::read(name, text) {
        Ok(new) => new,
        Err(found) => {
            found.all().iter().cloned().for_each(|problem| problems.push(problem));
            return None;
        }
    };
    let code = new.code.clone();
    match jurisdictions.get_mut(&code).filter(|_| over) {
        None => {
            jurisdictions.insert(code.clone(), new);
        }
        Some(old) => lay_over(old, new),
    }
    Some(code)
}

fn lay_over(old: &mut Jurisdiction, new: Jurisdiction) {
    old.name = new.name;
    old.as_of = new.as_of;
    if !new.members.is_empty() {
        old.members = new.members;
    }
    old.note = new.note.or_else(|| old.note.take());
    for duty in new.duties {
        match old.duties.iter_mut().find(|known| known.id == duty.id) {
            Some(known) => *known = duty,
            None => old.duties.push(duty),
        }
    }
}

#[cfg(test)]
mod tests;
