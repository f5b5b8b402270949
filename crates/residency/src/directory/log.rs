//! The directory's log: who took which name when, each entry with the hash of the one before and the decider's signature.

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use domicile_core::locality::CellName;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Authority, HashKey, NameHash};
use crate::deployment::{Deployment, SecretKey};

const ENTRY: &str = "directory entry 1";

/// Of so many entries at once each one's signature is looked at. Of more, as when somebody catches up, that of the last: it stands for the chain
/// before it, and a signature costs as much as a hundred hashes.
const EACH: usize = 64;

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Body {
    /// A name is taken: a user's localpart or an alias's, as a keyed hash.
    Take {
        /// The name.
        name: String,
        /// Whose cell took it.
        home: String,
    },
    /// A name goes to another cell. `ticket` is the hash of the ticket that says by whose word.
    Transfer {
        /// The name.
        name: String,
        /// The new home.
        home: String,
        /// The epoch that begins.
        epoch: u32,
        /// The hash of the ticket.
        ticket: String,
        /// Who let them go, so that whoever has the log can make the tickets.
        authority: Authority,
    },
    /// An alias goes to another cell, as the one that had it asked.
    Hand {
        /// The name.
        name: String,
        /// The cell that has it now.
        home: String,
    },
    /// An alias is free again. A user's name never is.
    Free {
        /// The name.
        name: String,
    },
}

impl Body {
    /// The name that it is about, as a keyed hash; none if that is no hash.
    pub fn name(&self) -> Option<NameHash> {
        match self {
            Self::Take { name, .. } | Self::Transfer { name, .. } | Self::Hand { name, .. } | Self::Free { name } => {
                NameHash::parse(name)
            }
        }
    }

    /// The same of a name that is hashed with one key more; none if it is about no name.
    pub fn again(&self, key: &HashKey) -> Option<Self> {
        let again = key.again(self.name()?).to_string();
        let mut body = self.clone();
        match &mut body {
            Self::Take { name, .. } | Self::Transfer { name, .. } | Self::Hand { name, .. } | Self::Free { name } => {
                *name = again;
            }
        }
        Some(body)
    }
}

/// An entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number, from 1.
    pub index: u64,
    /// The hash of the entry before; of the first, of nothing.
    pub previous: String,
    /// What it says.
    pub body: Body,
    /// The decider's term.
    pub term: u32,
    /// The decider's signature; empty where that of a later entry of the same term stands for it, as in a [`super::Pack`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub signature: String,
}

/// The end of a log as far as it was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tip {
    /// The number of its last entry; 0 of an empty log.
    pub index: u64,
    /// That entry's hash.
    pub hash: String,
    /// That entry's term.
    pub term: u32,
}

/// Why a log is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// An entry is missing, or is not the next.
    #[error("entry {0} of the directory's log does not follow the one before it: the log is damaged, or forked")]
    Gap(u64),
    /// Not signed by the decider of its term.
    #[error("entry {index} of the directory's log is not signed by the decider of term {term}")]
    NotSigned {
        /// Its number.
        index: u64,
        /// Its term.
        term: u32,
    },
    /// The term is lower than that of the entry before.
    #[error("entry {0} of the directory's log is of an earlier term than the one before it")]
    OlderTerm(u64),
}

/// What became of a wish to take a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was free: this entry takes it.
    Now(Box<Entry>),
    /// The same cell has it. Whoever repeats a request gets the same answer.
    Already,
    /// Another has it.
    ByAnother,
}

/// The decider, at the end of its log.
#[derive(Debug)]
pub struct Log<'k> {
    tip: Tip,
    term: u32,
    key: &'k SecretKey,
}

impl Tip {
    /// The end of a log without entries.
    pub fn start() -> Self {
        Self { index: 0, hash: BASE64_STANDARD_NO_PAD.encode(Sha256::digest(b"")), term: 0 }
    }

    /// Checks the next entry, and moves on to it.
    pub fn follow(&mut self, entry: &Entry, deployment: &Deployment) -> Result<(), Broken> {
        self.chain(entry)?;
        signed(entry, deployment)?;
        *self = entry.tip();
        Ok(())
    }

    /// Checks the next entries, and moves on to the last of them; nothing is moved if one is wrong. What a decider signed that was revoked
    /// since counts as far as a later entry, or whoever kept it, stands for it.
    pub fn follow_all(&mut self, entries: &[Entry], deployment: &Deployment) -> Result<(), Broken> {
        let mut reached = self.clone();
        for (at, entry) in entries.iter().enumerate() {
            reached.chain(entry)?;
            let ends_a_term = entries.get(at + 1).is_none_or(|next| next.term != entry.term);
            let is_looked_at = ends_a_term || (entries.len() <= EACH && !entry.signature.is_empty());
            if is_looked_at && !deployment.is_revoked_decider(entry.term) {
                signed(entry, deployment)?;
            }
            reached = entry.tip();
        }
        *self = reached;
        Ok(())
    }

    fn chain(&self, entry: &Entry) -> Result<(), Broken> {
        if Some(entry.index) != self.index.checked_add(1) || entry.previous != self.hash {
            return Err(Broken::Gap(entry.index));
        }
        if entry.term < self.term {
            return Err(Broken::OlderTerm(entry.index));
        }
        Ok(())
    }
}

fn signed(entry: &Entry, deployment: &Deployment) -> Result<(), Broken> {
    let bytes = entry.bytes();
    let keys = deployment.decider_keys(entry.term);
    if keys.iter().any(|key| key.verify_text(ENTRY, &bytes, &entry.signature)) {
        return Ok(());
    }
    Err(Broken::NotSigned { index: entry.index, term: entry.term })
}

impl Entry {
    fn bytes(&self) -> Vec<u8> {
        let body = match &self.body {
            Body::Take { name, home } => format!("take\n{name}\n{home}"),
            Body::Transfer { name, home, epoch, ticket, authority } => {
                format!("transfer\n{name}\n{home}\n{epoch}\n{ticket}\n{}", authority.said())
            }
            Body::Hand { name, home } => format!("hand\n{name}\n{home}"),
            Body::Free { name } => format!("free\n{name}"),
        };
        format!("{}\n{}\n{}\n{body}", self.index, self.previous, self.term).into_bytes()
    }

    /// The end of a log of which it is the last.
    pub fn tip(&self) -> Tip {
        Tip { index: self.index, hash: self.hash(), term: self.term }
    }

    /// The hash that the next entry names. The signature is no part of it: Ed25519 allows none to be changed, and what is signed is hashed.
    pub fn hash(&self) -> String {
        BASE64_STANDARD_NO_PAD.encode(Sha256::digest(self.bytes()))
    }
}

impl<'k> Log<'k> {
    /// The decider of a term, after the entry that is the last.
    pub fn open(tip: Tip, term: u32, key: &'k SecretKey) -> Self {
        Self { tip, term, key }
    }

    /// The end.
    pub fn tip(&self) -> &Tip {
        &self.tip
    }

    /// The entry for a name that somebody wishes to take. `holder` is the cell that has it.
    pub fn take(&mut self, name: NameHash, home: &CellName, holder: Option<&CellName>) -> Taken {
        match holder {
            Some(holder) if holder == home => Taken::Already,
            Some(_) => Taken::ByAnother,
            None => {
                let body = Body::Take { name: name.to_string(), home: home.as_str().to_owned() };
                Taken::Now(Box::new(self.append(body)))
            }
        }
    }

    /// The next entry.
    pub fn append(&mut self, body: Body) -> Entry {
        let mut entry = self.unsigned(body);
        entry.signature = self.key.sign_text(ENTRY, &entry.bytes());
        entry
    }

    /// The next entries, of which the last is signed: it stands for those before it.
    pub fn append_all(&mut self, bodies: Vec<Body>) -> Vec<Entry> {
        let mut entries: Vec<Entry> = bodies.into_iter().map(|body| self.unsigned(body)).collect();
        if let Some(last) = entries.last_mut() {
            last.signature = self.key.sign_text(ENTRY, &last.bytes());
        }
        entries
    }

    fn unsigned(&mut self, body: Body) -> Entry {
        let index = self.tip.index.saturating_add(1);
        let entry = Entry { index, previous: self.tip.hash.clone(), body, term: self.term, signature: String::new() };
        self.tip = entry.tip();
        entry
    }
}
