//! Registers of what is blocked that are watched.

use super::{Duration, section::section};

section! {
    /// A register of what is blocked that is watched for this deployment's names and addresses.
    Blocklist = "blocklists" {
        /// What it is called here: small letters, digits, `-` and `_`.
        name: String = String::new();
        /// Who keeps it, where its entries do not say who decided.
        authority: String = String::new();
        /// The country whose register it is, by its two letters, such as "RU".
        jurisdiction: String = String::new();
        /// Its layout: ru-csv, ru-xml, pl-hazard, pl-cert, cz-coi, list, domains or hosts.
        format: String = String::new();
        /// Where it is: `https://` addresses, or paths of files. Several are parts of one register, all of which are read;
        /// "dump-{00..19}.csv" stands for twenty.
        sources: Vec<String> = Vec::new();
        /// Where the SHA-256 of each source is published, in the order of `sources`, if it is. What does not have it is not believed.
        hashes: Vec<String> = Vec::new();
        /// How often it is looked at.
        every: Duration = Duration(6 * 3_600_000);
        /// How old it may be before you are told that it is stale.
        max_age: Duration = Duration(3 * 86_400_000);
    }
}

impl Blocklist {
    /// What is wrong with it by itself, if anything is: the key, and what to do.
    pub(super) fn problem(&self) -> Option<(&'static str, String)> {
        let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
        if self.name.is_empty() || self.name.len() > 64 || !self.name.bytes().all(is_letter) {
            return Some(("name", "give it a name of small letters, digits, `-` and `_`".to_owned()));
        }
        if self.sources.is_empty() {
            return Some(("sources", "say where it is: one or more addresses or files".to_owned()));
        }
        if let Some(plain) = self.sources.iter().chain(&self.hashes).find(|source| source.starts_with("http://")) {
            return Some(("sources", format!("{plain} could be changed on the way: use https")));
        }
        if !self.hashes.is_empty() && self.hashes.len() != self.sources.len() {
            let what = format!("there are {} hashes for {} sources", self.hashes.len(), self.sources.len());
            return Some(("hashes", what));
        }
        if self.every.0 < 60_000 {
            return Some(("every", "a minute is the least; whoever serves it will thank you for hours".to_owned()));
        }
        None
    }
}
