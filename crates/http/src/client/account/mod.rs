//! Accounts: registration, credentials, who is asking.

mod whoami;

use axum::Router;
use ruma::api::client::account as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new().endpoint::<api::whoami::v3::Request, _, _>(whoami::whoami)
}
