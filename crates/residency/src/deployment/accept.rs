//! Which document a cell takes in place of the one that it has, and with which documents cells talk to each other.

use domicile_core::locality::CellName;

use super::{Deployment, KeyStanding, PublicKey, Term};

/// Why a document is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is of another deployment.
    #[error("the document is of {found}, and this cell belongs to {ours}")]
    OtherName {
        /// Whose it is.
        found: String,
        /// Ours.
        ours: String,
    },
    /// It is older.
    #[error("the document has serial {found}, and this cell has taken serial {known} already: give it the newest one")]
    Older {
        /// Its number.
        found: u32,
        /// The highest that was taken.
        known: u32,
    },
    /// It has the number of another one.
    #[error(
        "the document has serial {0} as the one before it, and says something else: raise `serial` and sign it again"
    )]
    SameSerial(u32),
    /// A cell or a key that was revoked is back.
    #[error("the document takes back that {0} was revoked, which cannot be: give the cell a new name and a new key")]
    Unrevoked(String),
    /// The term went back.
    #[error("the document has a decider of term {found}, and this cell knows of term {known}")]
    OlderTerm {
        /// Its term.
        found: u32,
        /// The highest that was seen.
        known: u32,
    },
    /// Another decider has no term of its own.
    #[error(
        "the document names another decider in the same term {0}: raise `term`, and put the one before into `before`"
    )]
    SameTerm(u32),
    /// A decider of an earlier term is gone.
    #[error(
        "the document has no {{ term = {term}, cell = \"{cell}\" }} in `before`: names that were given in that term would count no more"
    )]
    NoTerm {
        /// The term.
        term: u32,
        /// Who decided.
        cell: String,
    },
    /// A cell is gone.
    #[error(
        "the document says nothing of the cell {0}: what it signed would count no more, and people at home there would be nobody; keep it as [[cell]], [[retired]] or [[revoked]]"
    )]
    NoWord(String),
    /// A cell that was retired is at work.
    #[error(
        "the document takes back that the cell {0} was retired, which cannot be: its name and keys are not used again"
    )]
    Unretired(String),
    /// A cell's key is gone.
    #[error(
        "the document leaves out a key of the cell {0}: what was signed with it would count no more; keep it in `old_keys`, or in `keys` of [[retired]] or [[revoked]]"
    )]
    NoKey(String),
    /// A key for other servers is gone.
    #[error(
        "the document leaves out the [[outer_key]] {0}, or gives it another key: what was signed with it would count no more; keep it, with `expired_ts` if nothing is signed with it now"
    )]
    NoOuterKey(String),
    /// A key for other servers that ended is in use.
    #[error("the document takes back that the use of the [[outer_key]] {0} has ended: make a new key instead")]
    Unended(String),
}

/// Why two cells do not talk to each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Apart {
    /// The documents are too far apart.
    #[error("the other cell has document {theirs}, and this one {ours}: cells talk if these differ by one at most")]
    Serials {
        /// Our document's number.
        ours: u32,
        /// Theirs.
        theirs: u32,
    },
    /// A cell was revoked since theirs.
    #[error(
        "document {revoked_by} revokes a cell, and the other cell has document {theirs}: it may still believe that cell; give it the newest document"
    )]
    Revocation {
        /// The document that revokes.
        revoked_by: u32,
        /// Theirs.
        theirs: u32,
    },
    /// It is no cell at work.
    #[error("{0} is no cell of this deployment")]
    NoCell(String),
    /// It was revoked.
    #[error("the cell {0} was revoked: nothing that it says counts any more")]
    Revoked(String),
    /// It signs with a key that is not its own now.
    #[error("the cell {0} does not sign with the key that the deployment document names")]
    OtherKey(String),
}

/// Whether a document may take the place of the one that held so far. The same one again is taken.
pub fn accept(known: &Deployment, found: &Deployment) -> Result<(), Refused> {
    if found.server_name != known.server_name {
        return Err(Refused::OtherName { found: found.server_name.to_string(), ours: known.server_name.to_string() });
    }
    if found.serial < known.serial {
        return Err(Refused::Older { found: found.serial, known: known.serial });
    }
    if found.serial == known.serial && found != known {
        return Err(Refused::SameSerial(found.serial));
    }
    if found.decider.term < known.decider.term {
        return Err(Refused::OlderTerm { found: found.decider.term, known: known.decider.term });
    }
    for (name, revoked) in &known.revoked {
        let still = |key: &PublicKey| {
            found.cell_key(&key.cell_key_id()).is_some_and(|found| found.standing == KeyStanding::Revoked)
        };
        if !found.revoked.contains_key(name) || !revoked.keys.iter().all(still) {
            return Err(Refused::Unrevoked(name.as_str().to_owned()));
        }
    }
    terms_stay(known, found)?;
    cells_stay(known, found)?;
    outer_keys_stay(known, found)
}

/// Another decider has a higher term, and of each term it is still known who decided.
fn terms_stay(known: &Deployment, found: &Deployment) -> Result<(), Refused> {
    let (before, now) = (&known.decider, &found.decider);
    if before.term == now.term && before.cell != now.cell {
        return Err(Refused::SameTerm(now.term));
    }
    let last = Term { term: before.term, cell: before.cell.clone() };
    let ended = (now.term > before.term).then_some(&last);
    match before.before.iter().chain(ended).find(|term| !now.before.contains(term)) {
        Some(Term { term, cell }) => Err(Refused::NoTerm { term: *term, cell: cell.as_str().to_owned() }),
        None => Ok(()),
    }
}

/// Cells and their keys go from one list to another, and are never forgotten. Of those that were revoked that was looked at before.
fn cells_stay(known: &Deployment, found: &Deployment) -> Result<(), Refused> {
    if let Some(back) = known.retired.keys().find(|name| found.cells.contains_key(*name)) {
        return Err(Refused::Unretired(back.as_str().to_owned()));
    }
    for name in known.cells.keys().chain(known.retired.keys()) {
        let keys = found.keys_of(name);
        if keys.is_empty() {
            return Err(Refused::NoWord(name.as_str().to_owned()));
        }
        if known.keys_of(name).iter().any(|key| !keys.contains(key)) {
            return Err(Refused::NoKey(name.as_str().to_owned()));
        }
    }
    Ok(())
}

fn outer_keys_stay(known: &Deployment, found: &Deployment) -> Result<(), Refused> {
    for (id, before) in &known.outer_keys {
        match found.outer_keys.get(id) {
            Some(now) if now.key != before.key => return Err(Refused::NoOuterKey(id.clone())),
            Some(now) if before.expired_ts.is_some() && now.expired_ts.is_none() => {
                return Err(Refused::Unended(id.clone()));
            }
            Some(_) => {}
            None => return Err(Refused::NoOuterKey(id.clone())),
        }
    }
    Ok(())
}

/// Whether a cell that has a document of number `theirs` is talked to.
pub fn talks(ours: &Deployment, theirs: u32) -> Result<(), Apart> {
    if ours.serial.abs_diff(theirs) > 1 {
        return Err(Apart::Serials { ours: ours.serial, theirs });
    }
    match ours.revoked.values().map(|revoked| revoked.serial).max() {
        Some(revoked_by) if theirs < revoked_by => Err(Apart::Revocation { revoked_by, theirs }),
        _ => Ok(()),
    }
}

/// The key with which a cell must sign what it asks now.
pub fn request_key<'d>(ours: &'d Deployment, cell: &CellName, key_id: &str) -> Result<&'d PublicKey, Apart> {
    if ours.revoked.contains_key(cell) {
        return Err(Apart::Revoked(cell.as_str().to_owned()));
    }
    let known = ours.cells.get(cell).ok_or_else(|| Apart::NoCell(cell.as_str().to_owned()))?;
    if known.key.cell_key_id() == key_id { Ok(&known.key) } else { Err(Apart::OtherKey(cell.as_str().to_owned())) }
}
