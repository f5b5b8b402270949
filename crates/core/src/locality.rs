//! Where a user is, and to whom something is told that is not for here.

use ruma::OwnedServerName;

/// The name of a cell of this deployment, such as `eu1`: 1 to 16 lower-case letters, digits and hyphens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellName(String);

/// Whom other people's users and rooms are reached through: another server, or another cell of this deployment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Destination {
    /// Another server.
    Server(OwnedServerName),
    /// Another cell.
    Cell(CellName),
}

/// Where a user is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Locality {
    /// Their vault is in this cell.
    Here,
    /// They are reached through another.
    Elsewhere(Destination),
}

/// Text that names no destination.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no destination: write a server name such as example.org, or `=` and the name of a cell")]
pub struct NoDestination(String);

/// What stands before a cell's name in text. No server name begins with it.
const CELL: char = '=';

impl CellName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name, if it can be one.
    pub fn parse(name: &str) -> Option<Self> {
        let fits = (1..=16).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        fits.then(|| Self(name.to_owned()))
    }
}

impl std::fmt::Display for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Server(name) => f.write_str(name.as_str()),
            Self::Cell(name) => write!(f, "{CELL}{}", name.as_str()),
        }
    }
}

impl std::str::FromStr for Destination {
    type Err = NoDestination;

    fn from_str(text: &str) -> Result<Self, NoDestination> {
        let wrong = || NoDestination(text.to_owned());
        match text.strip_prefix(CELL) {
            Some(name) => CellName::parse(name).map(Self::Cell).ok_or_else(wrong),
            None => OwnedServerName::try_from(text).map(Self::Server).map_err(|_| wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_told_from_its_text() {
        for text in ["example.org", "example.org:8448", "1.2.3.4", "[::1]:8448", "=eu1"] {
            let destination: Destination = text.parse().unwrap();
            assert_eq!(destination.to_string(), text);
            assert_eq!(matches!(destination, Destination::Cell(_)), text.starts_with('='));
        }
        for nonsense in ["", "=", "=EU", "a b", "=a.b"] {
            assert!(nonsense.parse::<Destination>().is_err(), "{nonsense}");
        }
    }
}
