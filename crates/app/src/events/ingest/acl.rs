//! Whether a room's server ACL lets a server take part (client-server, *Server access control lists*).

use domicile_room::event::acl::ServerAcl;
use ruma::ServerName;

use super::Ingest;
use crate::rooms::RoomView;

impl Ingest {
    /// Whether a server may take part in a room.
    pub fn is_let_in(view: &RoomView, server: &ServerName) -> bool {
        view.facts.server_acl.as_ref().is_none_or(|acl| ServerAcl::of(acl).allows(server))
    }
}
