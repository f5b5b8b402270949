//! What cells ask each other beside the Server-Server API. It is served on the listeners for cells alone.

mod cut;
mod deployment;
mod door;
mod evidence;
mod gateway;
mod load;
mod media;
mod messages;
mod moves;
mod names;
mod new_region;
mod pass;
mod people;
mod registration;
mod relay;
mod restore;

use axum::{Router, extract::Request};
use bytes::Bytes;
use domicile_app::federation::Inbound;
use domicile_core::{
    error::{ErrorKind, MatrixError},
    locality::{CellName, Destination},
};
use http::request::Parts;
use ruma::ServerName;
use serde::de::DeserializeOwned;

use crate::{error::Failure, federation::extract, state::Services};

/// The routes.
pub fn routes(services: &Services) -> Router<Services> {
    names::routes()
        .merge(gateway::routes(services))
        .merge(cut::routes())
        .merge(deployment::routes())
        .merge(door::routes())
        .merge(evidence::routes())
        .merge(load::routes())
        .merge(media::routes())
        .merge(messages::routes())
        .merge(moves::routes())
        .merge(new_region::routes())
        .merge(pass::routes(services))
        .merge(people::routes())
        .merge(registration::routes())
        .merge(relay::routes())
        .merge(restore::routes())
}

/// Who asks, and what.
async fn asked<T: DeserializeOwned>(request: Request, inbound: &Inbound) -> Result<(CellName, T), Failure> {
    let (_, raw, cell) = from_cell(request, inbound).await?;
    Ok((cell, question(&raw)?))
}

/// The same of a cell that may be told of people and rooms here.
async fn asked_of_people<T: DeserializeOwned>(request: Request, inbound: &Inbound) -> Result<(CellName, T), Failure> {
    let (cell, question) = asked(request, inbound).await?;
    inbound.may_ask(Destination::Cell(cell.clone()).peer_name())?;
    Ok((cell, question))
}

/// A request of a cell, its body as it came.
async fn from_cell(request: Request, inbound: &Inbound) -> Result<(Parts, Bytes, CellName), Failure> {
    let (parts, raw, origin) = extract::inner(request, inbound).await?;
    Ok((parts, raw, cell_of(&origin)?))
}

/// The cell of the name that it has as somebody to talk to.
fn cell_of(origin: &ServerName) -> Result<CellName, MatrixError> {
    match Destination::of_peer(origin) {
        Destination::Cell(cell) => Ok(cell),
        Destination::Server(_) => Err(ErrorKind::Unauthorized.with("The request is not a cell's.")),
    }
}

/// What a body asks.
fn question<T: DeserializeOwned>(raw: &[u8]) -> Result<T, MatrixError> {
    serde_json::from_slice(raw)
        .map_err(|error| ErrorKind::BadJson.with(format!("The request cannot be read: {error}.")))
}
