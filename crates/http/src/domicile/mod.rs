//! What Domicile tells people beyond Matrix, most of it with the access token of any of their clients.

mod access_log;
mod addresses;
mod moves;

use axum::Router;

use crate::state::Services;

/// The routes.
pub fn routes() -> Router<Services> {
    Router::new().merge(access_log::routes()).merge(addresses::routes()).merge(moves::routes())
}
