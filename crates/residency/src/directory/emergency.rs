//! A transfer by the root key: for people whose home was revoked, and can let nobody go. It is asked for where the new home is, signed where the
//! root key is, and brought back.

use domicile_core::locality::CellName;
use ruma::OwnedUserId;
use serde::{Deserialize, Serialize};

use super::{Authority, LetGo, Ticket, Transfer};
use crate::deployment::{Deployment, SecretKey};

/// What the root key is asked to sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Emergency {
    /// The user.
    pub user_id: OwnedUserId,
    /// The home that is no more.
    pub from: String,
    /// The home that they are to have.
    pub to: String,
    /// The epoch that begins.
    pub epoch: u32,
    /// The hash of the ticket that ends.
    pub previous: String,
}

/// Why somebody is not moved by the root key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoEmergency {
    /// Their home can let them go itself.
    #[error("their home {0} is at work: `domicile move` there moves them, or revoke it first")]
    AtWork(String),
    /// A cell has a name that cannot be.
    #[error("`{0}` is no cell's name")]
    NoCell(String),
}

impl Emergency {
    /// What is to be signed so that somebody with this last ticket gets another home. Only a home that is not at work is passed over.
    pub fn after(last: &Ticket, to: &CellName, deployment: &Deployment) -> Result<Self, NoEmergency> {
        at_work(&last.home, deployment)?;
        Ok(Self {
            user_id: last.user_id.clone(),
            from: last.home.clone(),
            to: to.as_str().to_owned(),
            epoch: last.epoch.saturating_add(1),
            previous: last.hash(),
        })
    }

    /// Signs it.
    pub fn sign(&self, root: &SecretKey) -> Result<LetGo, NoEmergency> {
        let cell = |name: &String| CellName::parse(name).ok_or_else(|| NoEmergency::NoCell(name.clone()));
        let (from, to) = (cell(&self.from)?, cell(&self.to)?);
        let transfer =
            Transfer { user_id: &self.user_id, from: &from, to: &to, epoch: self.epoch, previous: &self.previous };
        let authority = Authority::Root(transfer.sign(root));
        Ok(LetGo { user_id: self.user_id.clone(), from: self.from.clone(), to: self.to.clone(), authority })
    }
}

/// Whether a home can let its people go itself: then the root key does not.
pub fn at_work(home: &str, deployment: &Deployment) -> Result<(), NoEmergency> {
    let is_at_work = CellName::parse(home).is_some_and(|home| deployment.cells.contains_key(&home));
    if is_at_work { Err(NoEmergency::AtWork(home.to_owned())) } else { Ok(()) }
}
