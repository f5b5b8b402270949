//! Whether a room's server ACL lets a server take part (client-server, *Server access control lists*).

use domicile_core::locality::is_cell;
use domicile_room::event::acl::ServerAcl;
use ruma::{ServerName, UserId};

use super::Ingest;
use crate::rooms::RoomView;

impl Ingest {
    /// Whether a server may take part in a room. A cell may: lists are about other people's servers.
    pub fn is_let_in(view: &RoomView, server: &ServerName) -> bool {
        is_cell(server) || view.facts.server_acl.as_ref().is_none_or(|acl| ServerAcl::of(acl).allows(server))
    }

    /// Whether a user may send to a room. People of the deployment's own name may, wherever their home is.
    pub fn sender_is_let_in(&self, view: &RoomView, sender: &UserId) -> bool {
        let ours = self.users.localities().cells().is_some() && self.users.localities().is_ours(sender.server_name());
        ours || Self::is_let_in(view, sender.server_name())
    }
}
