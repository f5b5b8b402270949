//! GET /_domicile/admin/v1/homes/{user} and POST /_domicile/admin/v1/homes/plan (where people's homes are and should be)

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{get, post},
};
use domicile_app::{
    accounts::Accounts,
    evidence::access_log::{Look, What},
    residency::{Home, Homes, PlanPage},
};
use domicile_core::ids::UserNum;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::Deserialize;

use super::{AdminServices, Evidence, operator::By, users::user_id};
use crate::error::Failure;

/// Entries of the access log that are written at the same time.
const AT_ONCE: usize = 64;

pub(super) fn routes() -> Router<AdminServices> {
    Router::new()
        .route("/_domicile/admin/v1/homes/plan", post(plan))
        .route("/_domicile/admin/v1/homes/{user}", get(explain))
}

async fn explain(
    State(accounts): State<Arc<Accounts>>,
    State(homes): State<Arc<Homes>>,
    State(evidence): State<Evidence>,
    By { operator, reason }: By,
    Path(user): Path<String>,
) -> Result<Json<Home>, Failure> {
    let user_id = user_id(&accounts, &user)?;
    if let Some(user_num) = homes.user_num(&user_id).await? {
        evidence.access_log.note(user_num, Look { by: operator, what: What::Home, reason }).await?;
    }
    Ok(Json(homes.explain(&user_id).await?))
}

/// What to plan by.
#[derive(Deserialize)]
struct Wanted {
    /// A document that is not in force yet.
    document: Option<String>,
    /// Where the part before ended.
    #[serde(default)]
    after: i64,
}

async fn plan(
    State(homes): State<Arc<Homes>>,
    State(evidence): State<Evidence>,
    By { operator, reason }: By,
    Json(wanted): Json<Wanted>,
) -> Result<Json<PlanPage>, Failure> {
    let page = homes.plan(wanted.document.as_deref(), UserNum(wanted.after)).await?;
    // What is told of somebody is noted for them before it is told.
    let people: Vec<UserNum> = page.misplaced.iter().map(|one| one.user_num).collect();
    let log = &evidence.access_log;
    stream::iter(people.into_iter().map(|user_num| {
        let look = Look { by: operator.clone(), what: What::Home, reason: reason.clone() };
        log.note(user_num, look)
    }))
    .buffer_unordered(AT_ONCE)
    .try_collect::<()>()
    .await?;
    Ok(Json(page))
}
