//! Whether the deployment's rules let somebody into a room of others, by the state that they tell. A cell that was asked for the join looks at
//! the same rules before; another server knows none of them.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use domicile_core::locality::{Destination, Locality};
use domicile_residency::flow::{self, FENCE, Fence, Joining};
use domicile_room::event::Pdu;
use ruma::{OwnedServerName, RoomId, ServerName, UserId, events::StateEventType};
use serde_json::Map;

use super::RemoteRooms;
use crate::{Error, Result, accounts::Session, error::forbidden};

impl RemoteRooms {
    /// Whether people of this cell may be in a room with this state.
    pub(super) fn may_be_in(&self, state: &HashMap<(StateEventType, String), Arc<Pdu>>) -> Result<()> {
        let Some(cells) = self.users.localities().cells() else { return Ok(()) };
        let document = cells.own.document();
        let (mut regions, mut servers) = (BTreeSet::new(), BTreeSet::<OwnedServerName>::new());
        let joined = state.iter().filter(|((kind, _), pdu)| {
            *kind == StateEventType::RoomMember && pdu.membership().as_deref() == Some("join")
        });
        for user_id in joined.filter_map(|((_, user_id), _)| <&UserId>::try_from(user_id.as_str()).ok()) {
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
        let is_encrypted = state.contains_key(&(StateEventType::RoomEncryption, String::new()));
        let fence = match state.get(&(StateEventType::from(FENCE), String::new())) {
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
