//! What is wrong with a configuration: where, what, and what was meant.

use std::fmt;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// `domicile.toml:3:1`, an environment variable, or a key.
    pub place: String,
    /// What is wrong, and what to do.
    pub what: String,
}

/// Everything that is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problem {
    /// A problem at a place.
    pub fn about(place: &str, what: String) -> Self {
        Self { place: place.to_owned(), what }
    }
}

impl Problems {
    /// Adds one.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    pub fn all(&self) -> &[Problem] {
        &self.0
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{}: {}", problem.place, problem.what)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// The known name that somebody most likely meant, if one is close enough.
pub fn meant<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let unknown = unknown.to_ascii_lowercase();
    known
        .into_iter()
        .map(|name| (distance(&unknown, name), name))
        .filter(|(distance, name)| *distance <= name.len().max(unknown.len()) / 3 + 1)
        .min()
        .map(|(_, name)| name)
}

/// How many letters must be added, removed or replaced.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<u8> = right.bytes().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.bytes().enumerate() {
        let mut corner = i;
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let next = if a == *b { corner } else { 1 + corner.min(row[j]).min(row[j + 1]) };
            corner = row[j + 1];
            row[j + 1] = next;
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_names_are_found() {
        assert_eq!(meant("nmae", ["name", "data_dir"]), Some("name"));
        assert_eq!(meant("datadir", ["name", "data_dir"]), Some("data_dir"));
        assert_eq!(meant("zzzzzz", ["name", "data_dir"]), None);
    }
}
