//! PUT /_matrix/client/unstable/org.domicile/jurisdiction (not of the specification)

use std::sync::Arc;

use axum::{Json, extract::State};
use domicile_app::standing::Jurisdictions;

use super::{SetJurisdiction, Told, Word};
use crate::{error::Failure, extract::Authed};

/// Notes the user's own word.
pub(super) async fn set_jurisdiction(
    State(jurisdictions): State<Arc<Jurisdictions>>,
    request: Authed<SetJurisdiction>,
) -> Result<Told, Failure> {
    let user_id = &request.session.user_id;
    if let Word::Said(jurisdiction) = &request.body.jurisdiction {
        jurisdictions.correct(user_id, jurisdiction.as_deref()).await?;
    }
    if let Some(never_in) = &request.body.never_in {
        jurisdictions.avoid(user_id, never_in).await?;
    }
    Ok(Json(jurisdictions.of(user_id).await?))
}
