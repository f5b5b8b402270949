//! POST /_domicile/inner/v1/people/find (people of this cell whom anybody may find, for the user directory of another)

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Request, State},
    routing::post,
};
use domicile_app::{
    accounts::{
        UserDirectory,
        user_directory::{FIND_PEOPLE, PeopleFound, PeopleQuestion},
    },
    federation::Inbound,
};
use domicile_core::locality::Destination;

use super::asked;
use crate::{error::Failure, state::Services};

pub(super) fn routes() -> Router<Services> {
    Router::new().route(FIND_PEOPLE, post(find))
}

async fn find(
    State(inbound): State<Arc<Inbound>>,
    State(directory): State<Arc<UserDirectory>>,
    request: Request,
) -> Result<Json<PeopleFound>, Failure> {
    let (cell, question) = asked::<PeopleQuestion>(request, &inbound).await?;
    inbound.may_ask(Destination::Cell(cell).peer_name())?;
    Ok(Json(directory.search_for(&question).await?))
}
