//! What handlers can ask for. A handler names the one service that it calls: `State<Arc<Sessions>>`.

use std::sync::Arc;

use axum::extract::FromRef;
use domicile_app::accounts::{Sessions, Users};

/// Everything the router hands out. Only the binary's wiring fills it in.
#[derive(Clone, FromRef)]
pub struct Services {
    /// Sessions.
    pub sessions: Arc<Sessions>,
    /// The directory of users.
    pub users: Arc<Users>,
}
