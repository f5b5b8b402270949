//! Whether the deployment's rules let somebody into a room of others, by the state that they tell. A cell that was asked for the join looks at
//! the same rules before; another server knows none of them.

use std::collections::BTreeSet;

use domicile_core::locality::{Destination, Locality};
use domicile_residency::flow::{self, FENCE, Fence, Joining};
use ruma::{OwnedServerName, RoomId, ServerName, events::StateEventType};
use serde_json::Map;

use super::RemoteRooms;
use crate::{Error, Result, accounts::Session, error::forbidden, events::ingest::told::Told, rooms::Membership};

impl RemoteRooms {
    /// Whether people of this cell may be in a room with this state.
    pub(super) async fn may_be_in(&self, told: &Told) -> Result<()> {
        let Some(cells) = self.users.localities().cells() else { return Ok(()) };
        let document = cells.own.document();
        let (mut regions, mut servers) = (BTreeSet::new(), BTreeSet::<OwnedServerName>::new());
        let joined = told.members.iter().filter(|(_, membership, _)| *membership == Membership::Join);
        for (user_id, ..) in joined {
            match self.users.localities().of(user_id) {
                Locality::Here => {
                    regions.insert(cells.own.region().clone());
                }
                Locality::Elsewhere(Destination::Cell(cell)) => regions.extend(document.region_of(&cell).cloned()),
                Locality::Elsewhere(Destination::Server(server)) => {
                    servers.insert(server);
                }
                Locality::Unknown => {}
            }
        }
        let encryption = self.ingest.event_of(&told.state, &StateEventType::RoomEncryption, "").await?;
        let is_encrypted = encryption.is_some();
        let fence = match self.ingest.event_of(&told.state, &StateEventType::from(FENCE), "").await? {
            Some(pdu) => Some(Fence::read(&serde_json::from_str(pdu.content().get()).map_err(Error::internal)?)),
            None => None,
        };
        let joining = Joining { region: cells.own.region(), members: &regions, fence: fence.as_ref(), is_encrypted };
        flow::may_join(document, joining).map_err(|decision| forbidden(decision.reason))?;
        let own = BTreeSet::from([cells.own.region().clone()]);
        for server in servers {
            flow::may_share(document, &own, &server, None, is_encrypted)
                .map_err(|decision| forbidden(decision.reason))?;
        }
        Ok(())
    }

    /// Leaves a room again that somebody came into and may not be in. If that fails, the other side shows somebody who is not there.
    pub(super) async fn take_leave(&self, by: &Session, room_id: &RoomId, server: &ServerName) {
        let content = Map::from_iter([("membership".to_owned(), "leave".into())]);
        if let Err(error) = self.leave_through(by, room_id, server, &content).await {
            tracing::warn!(%error, "a room that the rules do not let somebody into shows them still");
        }
    }
}
