//! Tickets: who is, and was, whose home.
//!
//! A ticket is (user, home, epoch, hash of the one before), signed by the decider of a term, or by another cell that holds the directory. The first epoch is 1 and has none before. A later one
//! says who let the user go: the losing home by its signature, or the root key. So the directory alone cannot move anybody.

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use domicile_core::locality::CellName;
use ruma::{OwnedUserId, UserId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::deployment::{Deployment, PublicKey, SecretKey};

const TICKET: &str = "ticket 1";
const TRANSFER: &str = "transfer 1";

/// Epochs of one user that are looked at.
const EPOCHS: usize = 1_000;

/// Who lets a user go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "by", content = "signature")]
pub enum Authority {
    /// The home that they leave, with its signature of the transfer.
    Home(String),
    /// The root key, in an emergency.
    Root(String),
}

impl Authority {
    /// It as what is signed and hashed says it.
    pub(super) fn said(&self) -> String {
        match self {
            Self::Home(signature) => format!("home {signature}"),
            Self::Root(signature) => format!("root {signature}"),
        }
    }
}

/// What is signed by who lets a user go.
#[derive(Clone, Copy, Debug)]
pub struct Transfer<'t> {
    /// The user.
    pub user_id: &'t UserId,
    /// The home that they leave.
    pub from: &'t CellName,
    /// The home that they get.
    pub to: &'t CellName,
    /// The epoch that begins.
    pub epoch: u32,
    /// The hash of the ticket that ends.
    pub previous: &'t str,
}

/// Somebody is let go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetGo {
    /// The user.
    pub user_id: OwnedUserId,
    /// The home that they leave.
    pub from: String,
    /// The home that they get.
    pub to: String,
    /// By whose word.
    pub authority: Authority,
}

/// A ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// The user.
    pub user_id: OwnedUserId,
    /// Their home.
    pub home: String,
    /// Which of their homes that is, from 1.
    pub epoch: u32,
    /// The hash of the ticket before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// Who let the user go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<Authority>,
    /// The decider's term.
    pub term: u32,
    /// The decider's signature.
    pub signature: String,
}

/// Why a ticket is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// It is another deployment's user.
    #[error("the ticket is for {0}, who is no user of this deployment")]
    OtherServer(OwnedUserId),
    /// The home is none.
    #[error("the ticket names `{0}` as a home, which is no cell")]
    NoCell(String),
    /// Not signed by the decider of its term.
    #[error("the ticket for {user_id} is not signed by the decider of term {term}")]
    NotSigned {
        /// The user.
        user_id: OwnedUserId,
        /// The term.
        term: u32,
    },
    /// Not the next of its user's tickets.
    #[error("the ticket for {user_id} of epoch {epoch} does not follow the one before it")]
    Broken {
        /// The user.
        user_id: OwnedUserId,
        /// The epoch.
        epoch: u32,
    },
    /// The losing home did not let the user go.
    #[error(
        "the ticket for {user_id} moves them to {home}, and their home before did not sign that, nor did the root key"
    )]
    NoAuthority {
        /// The user.
        user_id: OwnedUserId,
        /// Where the ticket would have them.
        home: String,
    },
    /// Another ticket for the same epoch is known. The directory speaks with two tongues.
    #[error("there are two tickets for {user_id} in epoch {epoch}: the directory is forked, tell its operator")]
    Fork {
        /// The user.
        user_id: OwnedUserId,
        /// The epoch.
        epoch: u32,
    },
}

impl TicketError {
    /// What is the matter, without whom it is about: for the log.
    pub fn word(&self) -> &'static str {
        match self {
            Self::OtherServer(_) => "another deployment's user",
            Self::NoCell(_) => "no cell",
            Self::NotSigned { .. } => "not signed by the decider",
            Self::Broken { .. } => "not the next",
            Self::NoAuthority { .. } => "not let go",
            Self::Fork { .. } => "the directory is forked",
        }
    }
}

impl Transfer<'_> {
    fn bytes(&self) -> Vec<u8> {
        let Self { user_id, from, to, epoch, previous } = self;
        format!("{user_id}\n{}\n{}\n{epoch}\n{previous}", from.as_str(), to.as_str()).into_bytes()
    }

    /// The signature of who lets the user go: the losing home's key, or the root key.
    pub fn sign(&self, key: &SecretKey) -> String {
        key.sign_text(TRANSFER, &self.bytes())
    }

    fn is_signed(&self, key: &PublicKey, signature: &str) -> bool {
        key.verify_text(TRANSFER, &self.bytes(), signature)
    }
}

impl Ticket {
    /// A ticket of the decider with this key and in this term. It says what the decider has found to be right.
    pub fn issue(
        user_id: OwnedUserId,
        home: &CellName,
        before: Option<(&Self, Authority)>,
        (term, decider): (u32, &SecretKey),
    ) -> Self {
        let (epoch, previous, authority) = match before {
            None => (1, None, None),
            Some((before, authority)) => (before.epoch.saturating_add(1), Some(before.hash()), Some(authority)),
        };
        let home = home.as_str().to_owned();
        let mut ticket = Self { user_id, home, epoch, previous, authority, term, signature: String::new() };
        ticket.signature = decider.sign_text(TICKET, &ticket.bytes());
        ticket
    }

    /// The same again, signed by the decider of a later term: tickets of a decider that was revoked count no more.
    #[must_use]
    pub fn again(&self, (term, decider): (u32, &SecretKey)) -> Self {
        let mut ticket = Self { term, ..self.clone() };
        ticket.signature = decider.sign_text(TICKET, &ticket.bytes());
        ticket
    }

    /// What it says, whoever signed it: user, home, epoch, the one before, and by whose word.
    fn said(&self) -> String {
        let authority = self.authority.as_ref().map(Authority::said).unwrap_or_default();
        let previous = self.previous.as_deref().unwrap_or_default();
        format!("{}\n{}\n{}\n{previous}\n{authority}", self.user_id, self.home, self.epoch)
    }

    fn bytes(&self) -> Vec<u8> {
        format!("{}\n{}", self.said(), self.term).into_bytes()
    }

    /// The hash that the next ticket names. The term and the signature are no part of it.
    pub fn hash(&self) -> String {
        BASE64_STANDARD_NO_PAD.encode(Sha256::digest(format!("domicile {TICKET}\n{}", self.said())))
    }

    fn home(&self) -> Result<CellName, TicketError> {
        CellName::parse(&self.home).ok_or_else(|| TicketError::NoCell(self.home.chars().take(64).collect()))
    }

    /// Checks whose signature it has.
    fn check(&self, deployment: &Deployment) -> Result<CellName, TicketError> {
        if self.user_id.server_name() != deployment.server_name {
            return Err(TicketError::OtherServer(self.user_id.clone()));
        }
        let bytes = self.bytes();
        if !deployment.ticket_keys(self.term).iter().any(|key| key.verify_text(TICKET, &bytes, &self.signature)) {
            return Err(TicketError::NotSigned { user_id: self.user_id.clone(), term: self.term });
        }
        let home = self.home()?;
        let known = deployment.cells.contains_key(&home)
            || deployment.retired.contains_key(&home)
            || deployment.revoked.contains_key(&home);
        if known { Ok(home) } else { Err(TicketError::NoCell(self.home.clone())) }
    }
}

/// All tickets of one user, from the first epoch on, each checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History(Vec<Ticket>);

impl History {
    /// Checks a user's tickets, the first epoch first.
    pub fn check(tickets: Vec<Ticket>, deployment: &Deployment, root: &PublicKey) -> Result<Option<Self>, TicketError> {
        let mut before: Option<(&Ticket, CellName)> = None;
        for ticket in tickets.iter().take(EPOCHS) {
            let home = ticket.check(deployment)?;
            follows(ticket, &home, before.as_ref(), deployment, root)?;
            before = Some((ticket, home));
        }
        let whole = !tickets.is_empty() && tickets.len() <= EPOCHS;
        Ok(whole.then_some(Self(tickets)))
    }

    /// Tickets that were checked when they came, by a document that was in force then. What holds now is for the caller to know.
    pub fn checked_before(tickets: Vec<Ticket>) -> Option<Self> {
        (!tickets.is_empty() && tickets.len() <= EPOCHS).then_some(Self(tickets))
    }

    /// Takes what somebody else tells of the same user: what is longer wins, and both must say the same as far as both go.
    pub fn merge(self, other: Self) -> Result<Self, TicketError> {
        for (mine, theirs) in self.0.iter().zip(&other.0) {
            if mine.said() != theirs.said() {
                return Err(TicketError::Fork { user_id: theirs.user_id.clone(), epoch: theirs.epoch });
            }
        }
        // Of the same length, the one of the later term stays.
        let term = |history: &Self| (history.0.len(), history.0.last().map_or(0, |ticket| ticket.term));
        Ok(if term(&other) > term(&self) { other } else { self })
    }

    /// Whether somebody tells nothing that is not in it: word for word, so that nothing of it needs to be checked again.
    pub fn covers(&self, told: &[Ticket]) -> bool {
        !told.is_empty() && self.0.starts_with(told)
    }

    /// The tickets.
    pub fn tickets(&self) -> &[Ticket] {
        &self.0
    }

    /// Where the user's home is now.
    pub fn home(&self) -> Option<CellName> {
        CellName::parse(&self.0.last()?.home)
    }

    /// Whether a cell is, or was, the user's home.
    pub fn was_home(&self, cell: &CellName) -> bool {
        self.0.iter().any(|ticket| ticket.home == cell.as_str())
    }
}

/// Whether a ticket follows the one before it, with the word of whoever could let the user go.
fn follows(
    ticket: &Ticket,
    home: &CellName,
    before: Option<&(&Ticket, CellName)>,
    deployment: &Deployment,
    root: &PublicKey,
) -> Result<(), TicketError> {
    let broken = || TicketError::Broken { user_id: ticket.user_id.clone(), epoch: ticket.epoch };
    let Some((before, from)) = before else {
        let is_first = ticket.epoch == 1 && ticket.previous.is_none() && ticket.authority.is_none();
        return if is_first { Ok(()) } else { Err(broken()) };
    };
    let previous = before.hash();
    if ticket.user_id != before.user_id
        || Some(ticket.epoch) != before.epoch.checked_add(1)
        || ticket.previous.as_ref() != Some(&previous)
    {
        return Err(broken());
    }
    let transfer = Transfer { user_id: &ticket.user_id, from, to: home, epoch: ticket.epoch, previous: &previous };
    let lets_go = match &ticket.authority {
        None => false,
        Some(Authority::Root(signature)) => transfer.is_signed(root, signature),
        Some(Authority::Home(signature)) => {
            home_keys(deployment, from).iter().any(|key| transfer.is_signed(key, signature))
        }
    };
    if lets_go {
        Ok(())
    } else {
        Err(TicketError::NoAuthority { user_id: ticket.user_id.clone(), home: ticket.home.clone() })
    }
}

/// The keys with which a cell lets people go, or did. Who left a cell before it was revoked keeps the home that they went to: from then on the decider
/// takes no transfer of it, and without the decider's signature there is no ticket.
fn home_keys<'d>(deployment: &'d Deployment, cell: &CellName) -> Vec<&'d PublicKey> {
    deployment.keys_of(cell)
}
