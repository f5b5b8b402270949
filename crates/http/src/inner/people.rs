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

use super::asked_of_people;
use crate::{error::Failure, state::Services};

pub(super) fn routes() -> Router<Services> {
    Router::new().route(FIND_PEOPLE, post(find))
}

async fn find(
    State(inbound): State<Arc<Inbound>>,
    State(directory): State<Arc<UserDirectory>>,
    request: Request,
) -> Result<Json<PeopleFound>, Failure> {
    let (_, question) = asked_of_people::<PeopleQuestion>(request, &inbound).await?;
    Ok(Json(directory.search_for(&question).await?))
}
