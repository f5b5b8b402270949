//! GET and POST /_domicile/admin/v1/group-moves, GET /_domicile/admin/v1/moves, GET …/counts and …/arrivals, POST …/{user} and below (moving people between cells)

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    routing::{get, post},
};
use domicile_app::{
    evidence::access_log::What,
    moves::{
        self, ADDRESS_DAYS, Forbidden, Moves, Order, Plan, Shown, Target,
        groups::{GroupOrdered, GroupPlan, GroupRequest, GroupWish},
    },
};
use domicile_core::error::ErrorKind;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{AdminServices, noted, operator::By, users::user_id};
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

/// A move without the rooms, words and tickets of its person.
fn bare(mut shown: Shown) -> Shown {
    let progress = &mut shown.progress;
    progress.forbidden_rooms.clear();
    progress.kept_rooms.clear();
    progress.left_rooms.clear();
    progress.tickets.clear();
    progress.let_go = None;
    // That they objected is told.
    progress.objection = progress.objection.as_ref().map(|_| String::new());
    shown
}

async fn list(State(moves): State<Arc<Moves>>, Query(part): Query<Part>) -> Result<Json<Value>, Failure> {
    let found: Vec<Shown> = moves.list(part.before_ts).await?.into_iter().map(bare).collect();
    Ok(Json(json!({ "moves": found })))
}

async fn counts(State(moves): State<Arc<Moves>>) -> Result<Json<Value>, Failure> {
    Ok(Json(json!({ "counts": moves.counts().await? })))
}

async fn arrivals(State(moves): State<Arc<Moves>>) -> Result<Json<Value>, Failure> {
    let (counts, arriving) = (moves.arrival_counts().await?, moves.arriving(ARRIVING).await?);
    Ok(Json(json!({ "counts": counts, "arriving": arriving })))
}

/// How a move stands. What its person said against it is told while it is to be decided, and that is noted for them.
async fn show(State(services): State<AdminServices>, by: By, Path(user): Path<String>) -> Result<Json<Shown>, Failure> {
    let user_id = user_id(&services.accounts, &user)?;
    let none = || {
        let text = format!("{user_id} has not been moved away from here, or more than 400 days ago.");
        ErrorKind::NotFound.with(text)
    };
    let shown = services.moves.of_user(&user_id).await?.ok_or_else(none)?;
    if shown.state != moves::State::Objected.word() {
        return Ok(Json(bare(shown)));
    }
    noted::note(&services, &user_id, &by, What::MovePlanned).await?;
    let objection = shown.progress.objection.clone();
    let mut told = bare(shown);
    told.progress.objection = objection;
    Ok(Json(told))
}

async fn plan(
    State(services): State<AdminServices>,
    by: By,
    Path(user): Path<String>,
    Json(wanted): Json<Wanted>,
) -> Result<Json<Plan>, Failure> {
    let user_id = user_id(&services.accounts, &user)?;
    let target = target(&wanted)?;
    noted::note(&services, &user_id, &by, What::MovePlanned).await?;
    Ok(Json(services.moves.plan(&user_id, &target).await?))
}

async fn order(
    State(services): State<AdminServices>,
    by: By,
    Path(user): Path<String>,
    Json(wanted): Json<Wanted>,
) -> Result<Json<Shown>, Failure> {
    let user_id = user_id(&services.accounts, &user)?;
    let to = target(&wanted)?;
    noted::note(&services, &user_id, &by, What::MoveOrdered).await?;
    let order = Order {
        user_id,
        to,
        by: by.operator.name,
        reason: by.reason.unwrap_or_default(),
        notice_days: wanted.notice_days,
        address_days: wanted.address_days.unwrap_or(ADDRESS_DAYS),
        forbidden: wanted.forbidden,
    };
    Ok(Json(bare(services.moves.order(order).await?)))
}

async fn stop(State(services): State<AdminServices>, by: By, Path(user): Path<String>) -> Result<Json<Shown>, Failure> {
    let user_id = user_id(&services.accounts, &user)?;
    noted::note(&services, &user_id, &by, What::MoveDecided).await?;
    Ok(Json(bare(services.moves.stop(&user_id, by.operator.name).await?)))
}

async fn decide(
    State(services): State<AdminServices>,
    by: By,
    Path(user): Path<String>,
    Json(decision): Json<Decision>,
) -> Result<Json<Shown>, Failure> {
    let user_id = user_id(&services.accounts, &user)?;
    noted::note(&services, &user_id, &by, What::MoveDecided).await?;
    Ok(Json(bare(services.moves.decide(&user_id, decision.go_on, by.operator.name).await?)))
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

/// Counts, and those who are refused, whom it is noted for.
async fn plan_group(
    State(services): State<AdminServices>,
    by: By,
    Json(body): Json<WantedOfGroup>,
) -> Result<Json<GroupPlan>, Failure> {
    let plan = services.moves.plan_group(&body.jurisdiction, &wish(&body.wanted)?).await?;
    for refused in &plan.refused {
        noted::note(&services, &refused.user_id, &by, What::MovePlanned).await?;
    }
    Ok(Json(plan))
}

async fn ask_group(
    State(moves): State<Arc<Moves>>,
    By { operator, reason }: By,
    Json(body): Json<WantedOfGroup>,
) -> Result<Json<GroupRequest>, Failure> {
    let by = (operator, reason.unwrap_or_default());
    Ok(Json(moves.ask_group(body.jurisdiction, wish(&body.wanted)?, by).await?))
}

async fn confirm_group(
    State(services): State<AdminServices>,
    By { operator, .. }: By,
    Path(id): Path<String>,
) -> Result<Json<GroupOrdered>, Failure> {
    Ok(Json(services.moves.confirm_group(&id, &operator, &services.evidence.access_log).await?))
}
