//! What anybody is told who knows just the server's name: where clients find it, and whom to ask for help.

use ruma::{OwnedServerName, OwnedUserId};

/// A way to reach those who run the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contact {
    /// By e-mail.
    Mail(String),
    /// On Matrix.
    User(OwnedUserId),
}

/// The operator's announcements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discovery {
    /// The address that clients use, if it is known.
    pub homeserver: Option<String>,
    /// Where other servers find this one, if it is not where its name says.
    pub server: Option<OwnedServerName>,
    /// Ways to reach those who run the server.
    pub contacts: Vec<Contact>,
    /// A page with help.
    pub support_page: Option<String>,
}
