//! GET and POST /_domicile/admin/v1/group-moves, GET /_domicile/admin/v1/moves, GET …/counts and …/arrivals, POST …/{user} and below (moving people between cells)

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    routing::{get, post},
};
use domicile_app::{
    accounts::Accounts,
    moves::{
        ADDRESS_DAYS, Forbidden, Moves, Order, Plan, Shown, Target,
        groups::{GroupOrdered, GroupPlan, GroupRequest, GroupWish},
    },
};
use domicile_core::error::ErrorKind;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{AdminServices, operator::By, users::user_id};
use crate::error::Failure;

/// People on the way here that are listed one by one.
const ARRIVING: usize = 1_000;

pub(super) fn routes() -> Router<AdminServices> {
    Router::new()
        .route("/_domicile/admin/v1/moves", get(list))
        .route("/_domicile/admin/v1/moves/counts", get(counts))
        .route("/_domicile/admin/v1/moves/arrivals", get(arrivals))
        .route("/_domicile/admin/v1/moves/{user}", get(show).post(order))
        .route("/_domicile/admin/v1/moves/{user}/plan", post(plan))
        .route("/_domicile/admin/v1/moves/{user}/stop", post(stop))
        .route("/_domicile/admin/v1/moves/{user}/decide", post(decide))
        .route("/_domicile/admin/v1/group-moves", get(groups).post(ask_group))
        .route("/_domicile/admin/v1/group-moves/plan", post(plan_group))
        .route("/_domicile/admin/v1/group-moves/{id}/confirm", post(confirm_group))
}

/// Which part of the list.
#[derive(Deserialize)]
struct Part {
    before_ts: Option<i64>,
}

/// Where to, and how.
#[derive(Deserialize)]
struct Wanted {
    to: Option<String>,
    to_cell: Option<String>,
    #[serde(default)]
    forbidden: Forbidden,
    #[serde(default)]
    notice_days: i64,
    address_days: Option<i64>,
}

/// The same for all who live under a law.
#[derive(Deserialize)]
struct WantedOfGroup {
    jurisdiction: String,
    #[serde(flatten)]
    wanted: Wanted,
}

/// What was decided about an objection.
#[derive(Deserialize)]
struct Decision {
    go_on: bool,
}

fn target(wanted: &Wanted) -> Result<Target, Failure> {
    match (&wanted.to, &wanted.to_cell) {
        (Some(region), None) => Ok(Target::Region(region.clone())),
        (None, Some(cell)) => Ok(Target::Cell(cell.clone())),
        _ => Err(ErrorKind::InvalidParam.with("Say where to: `to`, a region, or `to_cell`, a cell.").into()),
    }
}

async fn list(State(moves): State<Arc<Moves>>, Query(part): Query<Part>) -> Result<Json<Value>, Failure> {
    Ok(Json(json!({ "moves": moves.list(part.before_ts).await? })))
}

async fn counts(State(moves): State<Arc<Moves>>) -> Result<Json<Value>, Failure> {
    Ok(Json(json!({ "counts": moves.counts().await? })))
}

async fn arrivals(State(moves): State<Arc<Moves>>) -> Result<Json<Value>, Failure> {
    let (counts, arriving) = (moves.arrival_counts().await?, moves.arriving(ARRIVING).await?);
    Ok(Json(json!({ "counts": counts, "arriving": arriving })))
}

async fn show(
    State(moves): State<Arc<Moves>>,
    State(accounts): State<Arc<Accounts>>,
    Path(user): Path<String>,
) -> Result<Json<Shown>, Failure> {
    let user_id = user_id(&accounts, &user)?;
    let none = || ErrorKind::NotFound.with(format!("{user_id} has not been moved away from here, or more than 400 days ago."));
    Ok(Json(moves.of_user(&user_id).await?.ok_or_else(none)?))
}

async fn plan(
    State(moves): State<Arc<Moves>>,
    State(accounts): State<Arc<Accounts>>,
    Path(user): Path<String>,
    Json(wanted): Json<Wanted>,
) -> Result<Json<Plan>, Failure> {
    Ok(Json(moves.plan(&user_id(&accounts, &user)?, &target(&wanted)?).await?))
}

async fn order(
    State(moves): State<Arc<Moves>>,
    State(accounts): State<Arc<Accounts>>,
    By { operator, reason }: By,
    Path(user): Path<String>,
    Json(wanted): Json<Wanted>,
) -> Result<Json<Shown>, Failure> {
    let order = Order {
        user_id: user_id(&accounts, &user)?,
        to: target(&wanted)?,
        by: operator.name,
        reason: reason.unwrap_or_default(),
        notice_days: wanted.notice_days,
        address_days: wanted.address_days.unwrap_or(ADDRESS_DAYS),
        forbidden: wanted.forbidden,
    };
    Ok(Json(moves.order(order).await?))
}

async fn stop(
    State(moves): State<Arc<Moves>>,
    State(accounts): State<Arc<Accounts>>,
    By { operator, .. }: By,
    Path(user): Path<String>,
) -> Result<Json<Shown>, Failure> {
    Ok(Json(moves.stop(&user_id(&accounts, &user)?, operator.name).await?))
}

async fn decide(
    State(moves): State<Arc<Moves>>,
    State(accounts): State<Arc<Accounts>>,
    By { operator, .. }: By,
    Path(user): Path<String>,
    Json(decision): Json<Decision>,
) -> Result<Json<Shown>, Failure> {
    Ok(Json(moves.decide(&user_id(&accounts, &user)?, decision.go_on, operator.name).await?))
}

fn wish(wanted: &Wanted) -> Result<GroupWish, Failure> {
    Ok(GroupWish {
        to: target(wanted)?,
        notice_days: wanted.notice_days,
        address_days: wanted.address_days.unwrap_or(ADDRESS_DAYS),
        forbidden: wanted.forbidden,
    })
}

async fn groups(State(moves): State<Arc<Moves>>) -> Result<Json<Value>, Failure> {
    Ok(Json(json!({ "requests": moves.groups().await? })))
}

async fn plan_group(
    State(moves): State<Arc<Moves>>,
    Json(body): Json<WantedOfGroup>,
) -> Result<Json<GroupPlan>, Failure> {
    Ok(Json(moves.plan_group(&body.jurisdiction, &wish(&body.wanted)?).await?))
}

async fn ask_group(
    State(moves): State<Arc<Moves>>,
    By { operator, reason }: By,
    Json(body): Json<WantedOfGroup>,
) -> Result<Json<GroupRequest>, Failure> {
    let by = (operator.name, reason.unwrap_or_default());
    Ok(Json(moves.ask_group(body.jurisdiction, wish(&body.wanted)?, by).await?))
}

async fn confirm_group(
    State(moves): State<Arc<Moves>>,
    By { operator, .. }: By,
    Path(id): Path<String>,
) -> Result<Json<GroupOrdered>, Failure> {
    Ok(Json(moves.confirm_group(&id, &operator.name).await?))
}
