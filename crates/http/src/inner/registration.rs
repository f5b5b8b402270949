//! POST /_domicile/inner/v1/registration/whose (whether a registration token that somebody has shown another cell is this one's)

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Request, State},
    routing::post,
};
use domicile_app::{
    accounts::{
        RegistrationTokens,
        registration_tokens::{TokenShown, WHOSE_TOKEN},
    },
    federation::Inbound,
    residency::Has,
};

use super::asked_of_people;
use crate::{error::Failure, state::Services};

pub(super) fn routes() -> Router<Services> {
    Router::new().route(WHOSE_TOKEN, post(whose))
}

async fn whose(
    State(inbound): State<Arc<Inbound>>,
    State(tokens): State<Arc<RegistrationTokens>>,
    request: Request,
) -> Result<Json<Has>, Failure> {
    let (_, shown) = asked_of_people::<TokenShown>(request, &inbound).await?;
    Ok(Json(tokens.is_ours(&shown).await?))
}
