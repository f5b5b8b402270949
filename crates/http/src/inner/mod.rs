//! What cells ask each other beside the Server-Server API. It is served on the listeners for cells alone.

mod load;
mod names;

use axum::Router;

use crate::state::Services;

/// The routes.
pub fn routes() -> Router<Services> {
    names::routes().merge(load::routes())
}
