//! What cells ask each other beside the Server-Server API. It is served on the listeners for cells alone.

mod door;
mod gateway;
mod load;
mod media;
mod messages;
mod moves;
mod names;
mod pass;

use axum::Router;

use crate::state::Services;

/// The routes.
pub fn routes(services: &Services) -> Router<Services> {
    names::routes()
        .merge(gateway::routes(services))
        .merge(door::routes())
        .merge(load::routes())
        .merge(media::routes())
        .merge(messages::routes())
        .merge(moves::routes())
        .merge(pass::routes(services))
}
