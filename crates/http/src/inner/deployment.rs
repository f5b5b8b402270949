//! POST /_domicile/inner/v1/deployment (which document another cell has; the newer one is given to whoever has the older)

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Request, State},
    routing::post,
};
use domicile_app::{
    accounts::Users,
    federation::Inbound,
    residency::{EXCHANGE, Exchange},
};

use super::{asked, names::cells};
use crate::{error::Failure, state::Services};

pub(super) fn routes() -> Router<Services> {
    Router::new().route(EXCHANGE, post(exchange))
}

async fn exchange(
    State(inbound): State<Arc<Inbound>>,
    State(users): State<Arc<Users>>,
    request: Request,
) -> Result<Json<Exchange>, Failure> {
    let (cell, said) = asked::<Exchange>(request, &inbound).await?;
    Ok(Json(cells(&users)?.documents.exchange(&cell, said).await?))
}
