//! What cells ask each other beside the Server-Server API. It is served on the listeners for cells alone.

mod gateway;
mod load;
mod names;

use axum::Router;

use crate::state::Services;

/// The routes.
pub fn routes(services: &Services) -> Router<Services> {
    names::routes().merge(gateway::routes(services)).merge(load::routes())
}
