//! How the directory stands, as one cell sees it.

use domicile_store::table::{directory_troubles, reserved_names};
use serde::Serialize;

use super::{FollowerStatus, Names, RotationStatus};
use crate::Result;

/// How the directory stands, for the operator.
#[derive(Clone, Debug, Serialize)]
pub struct DirectoryStatus {
    /// This cell.
    pub cell: String,
    /// Its region.
    pub region: String,
    /// The number of the document.
    pub serial: u32,
    /// The cell that decides.
    pub decider: String,
    /// Its term.
    pub term: u32,
    /// Whether that is this cell.
    pub decides_here: bool,
    /// Whether this cell has the log, as the one that decides or as one that follows.
    pub holds: bool,
    /// Whether it decides, and has heard what the others have: names are taken.
    pub is_deciding: bool,
    /// Why it does not yet.
    pub waits: Option<String>,
    /// Those who follow, at the cell that decides.
    pub followers: Vec<FollowerStatus>,
    /// How many entries are missing here by what the decider said last, at a cell that follows.
    pub behind: Option<u64>,
    /// When it said that, in milliseconds since the epoch.
    pub heard_ts: Option<i64>,
    /// What is the matter between the cells that hold the directory, in sentences.
    pub troubles: Vec<String>,
    /// People whose homes are known here.
    pub tickets: usize,
    /// Those of them whose home is here.
    pub at_home: usize,
    /// How far the log here is hashed anew, while its key is changed.
    pub rotation: Option<RotationStatus>,
    /// Names that are taken, if the directory is here.
    pub names: Option<i64>,
    /// The number of the log's last entry, if the directory is here.
    pub log_index: Option<u64>,
    /// That entry's hash.
    pub log_hash: Option<String>,
}

impl Names {
    /// How far the log is hashed anew here, and how the cells that follow stand, if this one decides.
    pub async fn rotation(&self) -> Result<(Option<RotationStatus>, Vec<FollowerStatus>)> {
        let head = self.log.tip().await?.index;
        let followers = if self.own.decides() { self.followers.status(head) } else { Vec::new() };
        Ok((self.followers.rotation_status().await?, followers))
    }

    /// How the directory stands.
    pub async fn status(&self) -> Result<DirectoryStatus> {
        let (holds, decides_here) = (self.followers.holds(), self.own.decides());
        let tip = self.log.tip().await?;
        let (rotation, followers) = self.rotation().await?;
        let (tickets, at_home) = self.tickets.counts();
        // Names that nobody has yet are known as this cell's, too.
        let reserved = self.store.read(|snapshot| async move { reserved_names::count(&snapshot).await }).await?;
        let reserved = usize::try_from(reserved).unwrap_or_default();
        let decider = &self.own.document().decider;
        let troubles = self.store.read(|snapshot| async move { directory_troubles::all(&snapshot).await }).await?;
        let head = *self.followers.head.lock();
        Ok(DirectoryStatus {
            cell: self.own.name().as_str().to_owned(),
            region: self.own.region().as_str().to_owned(),
            serial: self.own.document().serial,
            decider: decider.cell.as_str().to_owned(),
            term: decider.term,
            decides_here,
            holds,
            is_deciding: self.followers.has_begun(),
            waits: self.followers.waits().filter(|_| decides_here),
            followers,
            behind: head.filter(|_| holds && !decides_here).map(|(head, _)| head.saturating_sub(tip.index)),
            heard_ts: head.filter(|_| holds && !decides_here).map(|(_, ts)| ts),
            troubles: troubles.into_iter().map(|trouble| trouble.what).collect(),
            tickets: tickets.saturating_sub(reserved),
            at_home: at_home.saturating_sub(reserved),
            rotation,
            names: if holds { Some(self.log.count().await?) } else { None },
            log_index: holds.then_some(tip.index),
            log_hash: holds.then_some(tip.hash),
        })
    }
}
