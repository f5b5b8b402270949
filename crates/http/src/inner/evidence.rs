//! POST /_domicile/inner/v1/evidence/{observe, countersign, witnessed, report} (cells as each other's witnesses)

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Request, State},
    routing::post,
};
use domicile_app::{
    evidence::{
        Audits, Witness,
        witness::{Bound, COUNTERSIGN, Last, Look, Nothing, OBSERVE, REPORT, Report, WITNESSED},
    },
    federation::Inbound,
};

use super::asked;
use crate::{error::Failure, state::Services};

pub(super) fn routes() -> Router<Services> {
    Router::new()
        .route(OBSERVE, post(observe))
        .route(COUNTERSIGN, post(countersign))
        .route(WITNESSED, post(witnessed))
        .route(REPORT, post(report))
}

/// What this cell sees of the one that asks.
async fn observe(
    State(inbound): State<Arc<Inbound>>,
    State(witness): State<Arc<Witness>>,
    request: Request,
) -> Result<Json<Bound>, Failure> {
    let (cell, look) = asked::<Look>(request, &inbound).await?;
    Ok(Json(witness.observe(&cell, &look).await?))
}

async fn countersign(
    State(inbound): State<Arc<Inbound>>,
    State(witness): State<Arc<Witness>>,
    request: Request,
) -> Result<Json<Bound>, Failure> {
    let (cell, report) = asked::<Report>(request, &inbound).await?;
    Ok(Json(witness.countersign(&cell, report).await?))
}

async fn witnessed(
    State(inbound): State<Arc<Inbound>>,
    State(witness): State<Arc<Witness>>,
    request: Request,
) -> Result<Json<Last>, Failure> {
    let (cell, Nothing {}) = asked::<Nothing>(request, &inbound).await?;
    Ok(Json(witness.witnessed(&cell).await?))
}

/// A new report of this cell, for one that may read it.
async fn report(
    State(inbound): State<Arc<Inbound>>,
    State(witness): State<Arc<Witness>>,
    State(audits): State<Arc<Audits>>,
    request: Request,
) -> Result<Json<Bound>, Failure> {
    let (cell, Nothing {}) = asked::<Nothing>(request, &inbound).await?;
    witness.may_read(&cell)?;
    audits.check_idle()?;
    let document = audits.run_witnessed(&witness).await?.signed.document;
    Ok(Json(Bound { document, binding: witness.binding()? }))
}
