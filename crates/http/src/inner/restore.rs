//! POST /_domicile/inner/v1/restore/… (what a cell keeps for others, and tells one that was restored from a backup)

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Request, State},
    routing::post,
};
use domicile_app::{
    accounts::Users,
    federation::Inbound,
    moves::{Moves, messages::Done},
    residency::{OWN, Told},
    restore::{
        Keeper, Restorer,
        messages::{
            After, BACKED_UP, BackedUp, Deposit, FILE, KEEP, Kept, Left, PRESENT, Page, PartAnswer, PartQuestion,
            Present, ROOM, ROOMS, RoomEnds, SealedAnswer, VAULT, VAULTS, WORDS, Which,
        },
    },
};

use super::{asked, names::cells};
use crate::{error::Failure, extract::BodyLimit, state::Services};

/// Bytes of the largest deposit, with room for its form.
const BYTES: usize = 2 << 20;

pub(super) fn routes() -> Router<Services> {
    Router::new()
        .route(KEEP, post(keep))
        .route(WORDS, post(words))
        .route(VAULTS, post(vaults))
        .route(VAULT, post(vault))
        .route(FILE, post(file))
        .route(ROOMS, post(rooms))
        .route(ROOM, post(room))
        .route(PRESENT, post(present))
        .route(BACKED_UP, post(backed_up))
        .route(OWN, post(own))
        .layer(DefaultBodyLimit::disable())
}

/// Keeps something for the cell that asks.
async fn keep(
    State(inbound): State<Arc<Inbound>>,
    State(keeper): State<Arc<Keeper>>,
    mut request: Request,
) -> Result<Json<Done>, Failure> {
    request.extensions_mut().insert(BodyLimit(BYTES));
    let (cell, deposit) = asked::<Deposit>(request, &inbound).await?;
    Ok(Json(keeper.keep(&cell, &deposit).await?))
}

/// What is kept for the cell that asks.
async fn words(
    State(inbound): State<Arc<Inbound>>,
    State(keeper): State<Arc<Keeper>>,
    request: Request,
) -> Result<Json<Page<Deposit>>, Failure> {
    let (cell, question) = asked::<After<i64>>(request, &inbound).await?;
    Ok(Json(keeper.words(&cell, question.after).await?))
}

async fn vaults(
    State(inbound): State<Arc<Inbound>>,
    State(keeper): State<Arc<Keeper>>,
    request: Request,
) -> Result<Json<Page<Kept>>, Failure> {
    let (cell, question) = asked::<After<String>>(request, &inbound).await?;
    Ok(Json(keeper.vaults(&cell, &question.after).await?))
}

async fn vault(
    State(inbound): State<Arc<Inbound>>,
    State(keeper): State<Arc<Keeper>>,
    request: Request,
) -> Result<Json<SealedAnswer>, Failure> {
    let (cell, which) = asked::<Which>(request, &inbound).await?;
    Ok(Json(keeper.vault(&cell, &which).await?))
}

async fn file(
    State(inbound): State<Arc<Inbound>>,
    State(keeper): State<Arc<Keeper>>,
    request: Request,
) -> Result<Json<SealedAnswer>, Failure> {
    let (cell, which) = asked::<Which>(request, &inbound).await?;
    Ok(Json(keeper.file(&cell, &which).await?))
}

/// Rooms in which people of the cell are that asks.
async fn rooms(
    State(inbound): State<Arc<Inbound>>,
    State(moves): State<Arc<Moves>>,
    request: Request,
) -> Result<Json<Page<RoomEnds>>, Failure> {
    let (cell, question) = asked::<After<i64>>(request, &inbound).await?;
    Ok(Json(moves.rooms_for(&cell, question.after).await?))
}

async fn room(
    State(inbound): State<Arc<Inbound>>,
    State(moves): State<Arc<Moves>>,
    request: Request,
) -> Result<Json<PartAnswer>, Failure> {
    let (cell, question) = asked::<PartQuestion>(request, &inbound).await?;
    Ok(Json(moves.part_for(&cell, &question).await?))
}

/// Tickets of people of the cell that asks, for the directory of a restored one.
async fn present(
    State(inbound): State<Arc<Inbound>>,
    State(restorer): State<Arc<Restorer>>,
    mut request: Request,
) -> Result<Json<Done>, Failure> {
    request.extensions_mut().insert(BodyLimit(BYTES));
    let (cell, present) = asked::<Present>(request, &inbound).await?;
    Ok(Json(restorer.present(&cell, present).await?))
}

/// Whom this cell has in a backup of those who came from the cell that asks.
async fn backed_up(
    State(inbound): State<Arc<Inbound>>,
    State(moves): State<Arc<Moves>>,
    request: Request,
) -> Result<Json<BackedUp>, Failure> {
    let (_, left) = asked::<Left>(request, &inbound).await?;
    Ok(Json(moves.backed_up(left).await?))
}

/// Tickets of people whose home the cell is that asks, or was.
async fn own(
    State(inbound): State<Arc<Inbound>>,
    State(users): State<Arc<Users>>,
    request: Request,
) -> Result<Json<Told>, Failure> {
    let (cell, question) = asked(request, &inbound).await?;
    Ok(Json(cells(&users)?.names.own_for(&cell, &question).await?))
}
