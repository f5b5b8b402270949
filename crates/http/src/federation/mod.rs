//! The Server-Server API, in areas named as ruma names them.

mod device;
pub mod discovery;
pub mod extract;
mod keys;
mod membership;
mod transactions;
mod x_matrix;

use axum::Router;

use crate::state::Services;

/// All of the Server-Server API.
pub fn routes() -> Router<Services> {
    Router::new()
        .merge(device::routes())
        .merge(discovery::routes())
        .merge(keys::routes())
        .merge(membership::routes())
        .merge(transactions::routes())
}
