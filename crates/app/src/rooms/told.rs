//! What of a room another cell or server is told that asks for lists of rooms, in which it may have nobody: by each event's own rules, and by the
//! room's fence.

use domicile_residency::flow::{FENCE, Fence};
use domicile_store::{Snapshot, table::rooms};
use ruma::ServerName;

use super::{Summaries, summary::Summary};
use crate::{Error, Result, residency::Localities};

/// Which parts of a room's description are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is told by the rules of its own event")]
pub(crate) struct Told {
    /// The name.
    pub(crate) name: bool,
    /// The topic.
    pub(crate) topic: bool,
    /// The picture.
    pub(crate) avatar: bool,
    /// The alias.
    pub(crate) alias: bool,
}

impl Told {
    const ALL: Self = Self { name: true, topic: true, avatar: true, alias: true };

    /// Whether all that can be searched for is told.
    pub(crate) fn is_found(self) -> bool {
        self.name && self.topic && self.alias
    }

    /// A room in short without what is not told.
    pub(crate) fn of(self, mut summary: Summary) -> Summary {
        summary.name = summary.name.filter(|_| self.name);
        summary.topic = summary.topic.filter(|_| self.topic);
        summary.avatar_url = summary.avatar_url.filter(|_| self.avatar);
        summary.canonical_alias = summary.canonical_alias.filter(|_| self.alias);
        summary
    }
}

impl Summaries {
    /// What of a room whoever asks under a name is told. None: that there is such a room is not told either.
    pub(crate) async fn told_to(
        &self,
        snapshot: &Snapshot,
        row: &rooms::Room,
        (localities, peer): (&Localities, &ServerName),
    ) -> Result<Option<Told>> {
        if localities.cells().is_none() {
            return Ok(Some(Told::ALL));
        }
        if let Some(pdu) = self.state_event(snapshot, row, FENCE).await? {
            let fence = Fence::read(&serde_json::from_str(pdu.content().get()).map_err(Error::internal)?);
            if !localities.is_within(peer, &fence) {
                return Ok(None);
            }
        }
        if !localities.withholds(peer) {
            return Ok(Some(Told::ALL));
        }
        let mut told = Told::ALL;
        for (kind, part) in [
            ("m.room.name", &mut told.name),
            ("m.room.topic", &mut told.topic),
            ("m.room.avatar", &mut told.avatar),
            ("m.room.canonical_alias", &mut told.alias),
        ] {
            if let Some(pdu) = self.state_event(snapshot, row, kind).await? {
                *part = localities.serves_whole(peer, &pdu);
            }
        }
        Ok(Some(told))
    }
}
