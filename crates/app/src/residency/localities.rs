//! What is this user's locality? It is asked here and nowhere else.

use domicile_core::locality::{Destination, Locality};
use ruma::{OwnedServerName, ServerName, UserId};

/// Knows where users are. A deployment of one cell has all of its own users here.
#[derive(Debug)]
pub struct Localities {
    server_name: OwnedServerName,
}

impl Localities {
    /// Of the deployment with a name.
    pub fn new(server_name: OwnedServerName) -> Self {
        Self { server_name }
    }

    /// The deployment's name.
    pub fn server_name(&self) -> &ServerName {
        &self.server_name
    }

    /// Where a user is.
    pub fn of(&self, user_id: &UserId) -> Locality {
        self.of_server(user_id.server_name())
    }

    /// Where the users of a server are; those of the deployment's own, if there is only one cell.
    pub fn of_server(&self, server_name: &ServerName) -> Locality {
        if server_name == self.server_name {
            Locality::Here
        } else {
            Locality::Elsewhere(Destination::Server(server_name.to_owned()))
        }
    }

    /// Whether a server name is the deployment's own.
    pub fn is_ours(&self, server_name: &ServerName) -> bool {
        server_name == self.server_name
    }
}
