//! GET /_matrix/client/unstable/org.domicile/jurisdiction (not of the specification)

use std::sync::Arc;

use axum::{Json, extract::State};
use domicile_app::standing::Jurisdictions;

use super::{GetJurisdiction, Told};
use crate::{error::Failure, extract::Authed};

/// What is noted for the user.
pub(super) async fn get_jurisdiction(
    State(jurisdictions): State<Arc<Jurisdictions>>,
    request: Authed<GetJurisdiction>,
) -> Result<Told, Failure> {
    Ok(Json(jurisdictions.of(&request.session.user_id).await?))
}
