//! Where a user is, and to whom something is told that is not for here.

use ruma::{OwnedServerName, ServerName};

/// The name of a cell of this deployment, such as `eu1`: 1 to 16 lower-case letters, digits and hyphens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellName {
    name: String,
    /// What stands for the cell where a server is named.
    peer: OwnedServerName,
}

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
    /// A user of this deployment of whom this cell has not heard: somebody in another cell whom nobody here has met, or nobody.
    Unknown,
}

/// Text that names no destination.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no destination: write a server name such as example.org, or `=` and the name of a cell")]
pub struct NoDestination(String);

/// What stands before a cell's name in text. No server name begins with it.
const CELL: char = '=';
/// What stands after a cell's name where a server is named. Nobody can have a name under `.invalid` (RFC 6761, section 6.4).
const PEER: &str = ".cell.invalid";

impl CellName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The name, if it can be one.
    pub fn parse(name: &str) -> Option<Self> {
        let fits = (1..=16).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        let peer = fits.then(|| OwnedServerName::try_from(format!("{name}{PEER}")).ok()).flatten()?;
        Some(Self { name: name.to_owned(), peer })
    }
}

/// Whether a server's name stands for a cell. Only the inner link may bring one in; from anywhere else it is refused.
pub fn is_cell(name: &ServerName) -> bool {
    name.as_str().ends_with(PEER)
}

impl Destination {
    /// The name under which it is asked, and under which it asks: another server's own, or one that stands for a cell within the program.
    pub fn peer_name(&self) -> &ServerName {
        match self {
            Self::Server(name) => name,
            Self::Cell(cell) => &cell.peer,
        }
    }

    /// What a name of [`Self::peer_name`] is the name of.
    pub fn of_peer(name: &ServerName) -> Self {
        match name.as_str().strip_suffix(PEER).and_then(CellName::parse) {
            Some(cell) => Self::Cell(cell),
            None => Self::Server(name.to_owned()),
        }
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
        for text in ["example.org:8448", "=eu1", "=-"] {
            let destination: Destination = text.parse().unwrap();
            assert_eq!(Destination::of_peer(destination.peer_name()), destination);
            assert_eq!(is_cell(destination.peer_name()), text.starts_with('='));
        }
        for nonsense in ["", "=", "=EU", "a b", "=a.b"] {
            assert!(nonsense.parse::<Destination>().is_err(), "{nonsense}");
        }
    }
}
