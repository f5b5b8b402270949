//! POST /_domicile/inner/v1/names/take, POST …/names/look_up, POST …/names/transfer (the directory, at the cell that decides),
//! POST …/names/follow, POST …/names/begin, POST …/names/entries (between the cells that hold it),
//! POST …/names/take_aliases, POST …/names/change_alias, POST …/names/find_alias (the same for aliases), POST …/names/adopt_alias (at a room's new cell)

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Request, State},
    routing::post,
};
use domicile_app::{
    accounts::Users,
    federation::Inbound,
    residency::{
        ADOPT_ALIAS, AliasChanged, AliasHome, AliasesGiven, BEGIN, Begun, CHANGE_ALIAS, Cells, ENTRIES, Entries,
        FIND_ALIAS, FOLLOW, LOOK_UP, Names, Reached, TAKE, TAKE_ALIASES, TRANSFER, Told,
    },
    rooms::Directory,
};
use domicile_core::error::ErrorKind;

use super::asked;
use crate::{error::Failure, state::Services};

pub(super) fn routes() -> Router<Services> {
    Router::new()
        .route(TAKE, post(take))
        .route(LOOK_UP, post(look_up))
        .route(TRANSFER, post(transfer))
        .route(FOLLOW, post(follow))
        .route(BEGIN, post(begin))
        .route(ENTRIES, post(entries))
        .route(TAKE_ALIASES, post(take_aliases))
        .route(CHANGE_ALIAS, post(change_alias))
        .route(FIND_ALIAS, post(find_alias))
        .route(ADOPT_ALIAS, post(adopt_alias))
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

/// Takes what the decider has written.
async fn follow(
    State(inbound): State<Arc<Inbound>>,
    State(users): State<Arc<Users>>,
    request: Request,
) -> Result<Json<Reached>, Failure> {
    let (cell, push) = asked(request, &inbound).await?;
    Ok(Json(names(&users)?.followers().follow_for(&cell, &push).await?))
}

/// Tells a decider that begins what is here.
async fn begin(
    State(inbound): State<Arc<Inbound>>,
    State(users): State<Arc<Users>>,
    request: Request,
) -> Result<Json<Begun>, Failure> {
    let (cell, begin) = asked(request, &inbound).await?;
    Ok(Json(names(&users)?.followers().begin_for(&cell, &begin).await?))
}

/// Gives entries of the log.
async fn entries(
    State(inbound): State<Arc<Inbound>>,
    State(users): State<Arc<Users>>,
    request: Request,
) -> Result<Json<Entries>, Failure> {
    let (cell, wanted) = asked(request, &inbound).await?;
    Ok(Json(names(&users)?.followers().entries_for(&cell, &wanted).await?))
}

/// Takes aliases for the cell that asks.
async fn take_aliases(
    State(inbound): State<Arc<Inbound>>,
    State(users): State<Arc<Users>>,
    request: Request,
) -> Result<Json<AliasesGiven>, Failure> {
    let (cell, wish) = asked(request, &inbound).await?;
    Ok(Json(names(&users)?.give_aliases_for(&cell, &wish).await?))
}

/// Makes an alias of the cell that asks free, or another cell's.
async fn change_alias(
    State(inbound): State<Arc<Inbound>>,
    State(users): State<Arc<Users>>,
    request: Request,
) -> Result<Json<AliasChanged>, Failure> {
    let (cell, change) = asked(request, &inbound).await?;
    Ok(Json(names(&users)?.change_alias_for(&cell, &change).await?))
}

/// Tells which cell has an alias.
async fn find_alias(
    State(inbound): State<Arc<Inbound>>,
    State(users): State<Arc<Users>>,
    request: Request,
) -> Result<Json<AliasHome>, Failure> {
    let (cell, question) = asked(request, &inbound).await?;
    Ok(Json(names(&users)?.alias_home_for(&cell, &question).await?))
}

/// Takes an alias that comes along with a room.
async fn adopt_alias(
    State(inbound): State<Arc<Inbound>>,
    State(directory): State<Arc<Directory>>,
    request: Request,
) -> Result<Json<AliasChanged>, Failure> {
    let (cell, adoption) = asked(request, &inbound).await?;
    directory.adopt(&cell, &adoption).await?;
    Ok(Json(AliasChanged {}))
}

fn names(users: &Users) -> Result<&Names, Failure> {
    Ok(&cells(users)?.names)
}

/// This cell among others.
pub(super) fn cells(users: &Users) -> Result<&Cells, Failure> {
    let cells = users.localities().cells();
    Ok(cells.ok_or_else(|| ErrorKind::NotFound.with("This server is no cell of a deployment."))?)
}
