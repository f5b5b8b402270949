//! What is ours: the names, masks, pages and addresses that a register is searched for.

use std::collections::HashMap;

use super::{
    address::{Net, Networks},
    name::{above, canonical, host_of_url},
};

/// How many things of ours are searched for at most.
const MOST: usize = 10_000;

/// Text that names nothing that a register could list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OwnError {
    /// It is neither.
    #[error(
        "`{0}` is no host name, mask such as *.example.org, address of a page, IP address or network such as 192.0.2.0/24"
    )]
    Unknown(String),
    /// There are too many.
    #[error("more than {MOST} names and addresses cannot be searched for at once")]
    TooMany,
}

/// What names lead to, of ours, by their numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spot {
    /// Has this very name.
    pub(crate) exact: Vec<u32>,
    /// Stands below this name.
    pub(crate) below: Vec<u32>,
    /// Is a mask for everything below this name.
    pub(crate) masks: Vec<u32>,
}

/// Everything of ours, ready to be found. It is this that is indexed, not the register, so a register costs no memory.
#[derive(Clone, Debug)]
pub struct Own {
    texts: Vec<String>,
    spots: HashMap<Box<[u8]>, Spot>,
    has_masks: bool,
    networks: Networks,
}

impl Own {
    /// Of texts: `example.org`, `*.example.org`, `https://example.org/status`, `192.0.2.1`, `2001:db8::/32`. What stands there twice counts once.
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, OwnError> {
        let mut own = Self { texts: Vec::new(), spots: HashMap::new(), has_masks: false, networks: Networks::new(&[]) };
        let mut networks = Vec::new();
        for text in texts {
            own.add(text.trim(), &mut networks).ok_or_else(|| OwnError::Unknown(super::problem::excerpt(text, 100)))?;
            if own.texts.len() > MOST {
                return Err(OwnError::TooMany);
            }
        }
        own.networks = Networks::new(&networks);
        Ok(own)
    }

    fn add(&mut self, text: &str, networks: &mut Vec<(Net, u32)>) -> Option<()> {
        let mut scratch = Vec::new();
        if let Some(network) = Net::parse(text.as_bytes()) {
            if let Some(own) = self.number(network.shown()) {
                networks.push((network, own));
            }
            return Some(());
        }
        if text.contains("://") {
            let host = host_of_url(text)?;
            if let Some(network) = Net::parse(host.as_bytes()) {
                if let Some(own) = self.number(text.to_owned()) {
                    networks.push((network, own));
                }
                return Some(());
            }
            let name = canonical(&host, &mut scratch).filter(|name| !name.contains(&b'*'))?;
            if let Some(own) = self.number(text.to_owned()) {
                self.add_name(name, own);
            }
            return Some(());
        }
        let name = canonical(text, &mut scratch)?;
        let shown = String::from_utf8_lossy(name).into_owned();
        match name.strip_prefix(b"*.") {
            Some(base) if !base.contains(&b'*') => {
                if let Some(own) = self.number(shown) {
                    self.has_masks = true;
                    self.spot(base).masks.push(own);
                    self.spot(base).below.push(own);
                    above(base).for_each(|name| self.spot(name).below.push(own));
                }
                Some(())
            }
            None if !name.contains(&b'*') => {
                if let Some(own) = self.number(shown) {
                    self.add_name(name, own);
                }
                Some(())
            }
            _ => None,
        }
    }

    fn add_name(&mut self, name: &[u8], own: u32) {
        self.spot(name).exact.push(own);
        above(name).for_each(|name| self.spot(name).below.push(own));
    }

    /// A number for a new text; none if it is there already.
    fn number(&mut self, text: String) -> Option<u32> {
        // Lists are short, and this is done once.
        if self.texts.contains(&text) {
            return None;
        }
        let number = u32::try_from(self.texts.len()).ok()?;
        self.texts.push(text);
        Some(number)
    }

    fn spot(&mut self, name: &[u8]) -> &mut Spot {
        self.spots.entry(name.into()).or_default()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether there is nothing to search for.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// All of them, in their one form, as they were given otherwise.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// The text of a number.
    pub(crate) fn text(&self, own: u32) -> &str {
        self.texts.get(own as usize).map_or("", String::as_str)
    }

    /// What a name leads to.
    pub(crate) fn at(&self, name: &[u8]) -> Option<&Spot> {
        self.spots.get(name)
    }

    /// Whether there are masks among it.
    pub(crate) fn has_masks(&self) -> bool {
        self.has_masks
    }

    /// Our addresses.
    pub(crate) fn networks(&self) -> &Networks {
        &self.networks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_ours() {
        let own = Own::new([
            "Example.ORG",
            "example.org.",
            "*.пример.рф",
            "https://example.org/a",
            "192.0.2.7/24",
            "::1",
            "https://192.0.2.1/",
        ]);
        let own = own.unwrap();
        let expected = [
            "example.org",
            "*.xn--e1afmkfd.xn--p1ai",
            "https://example.org/a",
            "192.0.2.0/24",
            "::1",
            "https://192.0.2.1/",
        ];
        assert_eq!(own.texts(), expected);
        for wrong in ["", "a b", "*", "*.*.org", "a.*.org", "https://", "1.2.3.4/40"] {
            assert!(matches!(Own::new([wrong]), Err(OwnError::Unknown(_))), "{wrong}");
        }
        let many: Vec<String> = (0..=MOST).map(|number| format!("a{number}.example")).collect();
        assert_eq!(Own::new(many.iter().map(String::as_str)).err(), Some(OwnError::TooMany));
    }
}
