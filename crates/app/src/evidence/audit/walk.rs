//! The walk itself, over a database and by whoever knows where people's homes are: a running server walks its own, and an auditor's program one that it
//! can only read.

use domicile_core::locality::Locality;
use domicile_store::{KeyOwners, Keystore, Store};
use ruma::UserId;

use super::{List, Measured, mark, tables::Findings};
use crate::{Result, residency::Localities};

/// Who knows where people's homes are.
pub(in crate::evidence) trait Whereabouts: Send + Sync {
    /// Where a user is.
    fn of(&self, user_id: &UserId) -> Locality;
}

impl Whereabouts for Localities {
    fn of(&self, user_id: &UserId) -> Locality {
        Self::of(self, user_id)
    }
}

/// Who has keys of their own.
pub(in crate::evidence) enum Keys<'w> {
    /// By the keystore of the server that walks.
    Own(&'w Keystore),
    /// By one that can only be read.
    Read(&'w KeyOwners),
    /// Nobody can tell.
    Unseen,
}

impl Keys<'_> {
    /// Those after a number, at most `limit`.
    pub(super) async fn owners(&self, after: i64, limit: usize) -> Result<Vec<i64>> {
        Ok(match self {
            Self::Own(keystore) => keystore.owners(after, limit).await?,
            Self::Read(owners) => owners.owners(after, limit).await?,
            Self::Unseen => Vec::new(),
        })
    }
}

/// A walk.
pub(in crate::evidence) struct Walk<'w> {
    pub(super) store: &'w Store,
    pub(super) whereabouts: &'w dyn Whereabouts,
    pub(super) keys: Keys<'w>,
    /// The mark of those who are on the way here by the table of arrivals.
    pub(super) coming: u8,
}

impl<'w> Walk<'w> {
    /// A walk of a server that knows itself who is on the way to it.
    pub(super) fn own(store: &'w Store, whereabouts: &'w dyn Whereabouts, keys: Keys<'w>) -> Self {
        Self { store, whereabouts, keys, coming: mark::HERE }
    }

    /// A walk that believes no table: who is on the way is not at home here yet, and has a key here and nothing else.
    pub(in crate::evidence) fn doubting(store: &'w Store, whereabouts: &'w dyn Whereabouts, keys: Keys<'w>) -> Self {
        Self { store, whereabouts, keys, coming: mark::COMING }
    }

    /// Walks everything. The room copies, each with the member that justifies it, go into `list`.
    pub(in crate::evidence) async fn measure(&self, list: List) -> Result<Measured> {
        let (mut people, homes) = self.people().await?;
        let (room_marks, rooms) = self.rooms(&people, list).await?;
        let mut findings = Findings::default();
        let tables = self.tables(&mut people, &room_marks, &mut findings).await?;
        let keys = self.owners_of_keys(&mut people, &mut findings).await?;
        Ok(Measured { homes, tables, rooms, findings, keys })
    }
}
