//! POST /_domicile/inner/v1/names/take, POST …/names/look_up, POST …/names/transfer (the directory, at the cell that decides)

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Request, State},
    routing::post,
};
use domicile_app::{
    accounts::Users,
    federation::Inbound,
    residency::{Cells, LOOK_UP, Names, TAKE, TRANSFER, Told},
};
use domicile_core::error::ErrorKind;

use super::asked;
use crate::{error::Failure, state::Services};

pub(super) fn routes() -> Router<Services> {
    Router::new().route(TAKE, post(take)).route(LOOK_UP, post(look_up)).route(TRANSFER, post(transfer))
}

/// Takes a name for the cell that asks.
async fn take(
    State(inbound): State<Arc<Inbound>>,
    State(users): State<Arc<Users>>,
    request: Request,
) -> Result<Json<Told>, Failure> {
    let (cell, wish) = asked(request, &inbound).await?;
    Ok(Json(names(&users)?.take_for(&cell, &wish).await?))
}

/// Tells where users have their homes whom the cell that asks may know of.
async fn look_up(
    State(inbound): State<Arc<Inbound>>,
    State(users): State<Arc<Users>>,
    request: Request,
) -> Result<Json<Told>, Failure> {
    let (cell, question) = asked(request, &inbound).await?;
    Ok(Json(names(&users)?.look_up_for(&cell, &question).await?))
}

/// Gives somebody another home, whose home let them go.
async fn transfer(
    State(inbound): State<Arc<Inbound>>,
    State(users): State<Arc<Users>>,
    request: Request,
) -> Result<Json<Told>, Failure> {
    let (cell, let_go) = asked(request, &inbound).await?;
    Ok(Json(names(&users)?.transfer_for(&cell, &let_go).await?))
}

fn names(users: &Users) -> Result<&Names, Failure> {
    Ok(&cells(users)?.names)
}

/// This cell among others.
pub(super) fn cells(users: &Users) -> Result<&Cells, Failure> {
    let cells = users.localities().cells();
    Ok(cells.ok_or_else(|| ErrorKind::NotFound.with("This server is no cell of a deployment."))?)
}
