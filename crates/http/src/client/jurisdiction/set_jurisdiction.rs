//! PUT /_matrix/client/unstable/org.domicile/jurisdiction (not of the specification)

use std::sync::Arc;

use axum::{Json, extract::State};
use domicile_app::standing::Jurisdictions;

use super::{SetJurisdiction, Told};
use crate::{error::Failure, extract::Authed};

/// Notes the user's own word.
pub(super) async fn set_jurisdiction(
    State(jurisdictions): State<Arc<Jurisdictions>>,
    request: Authed<SetJurisdiction>,
) -> Result<Told, Failure> {
    let jurisdiction = request.body.jurisdiction.as_deref();
    Ok(Json(jurisdictions.correct(&request.session.user_id, jurisdiction).await?))
}
