//! GET, POST and DELETE /_domicile/admin/v1/reports (reports about events, rooms and users)

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    routing::{get, post},
};
use domicile_app::{
    evidence::access_log::{Look, What},
    moderation::{
        Reports,
        reports::{Report, Subject},
    },
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{AdminServices, operator::By};
use crate::error::Failure;

pub(super) fn routes() -> Router<AdminServices> {
    Router::new()
        .route("/_domicile/admin/v1/reports", get(list))
        .route("/_domicile/admin/v1/reports/{number}", get(show).delete(delete))
        .route("/_domicile/admin/v1/reports/{number}/resolve", post(resolve))
}

fn shown(report: Report) -> Value {
    let mut shown = json!({
        "report": report.number, "created_ts": report.created_ts, "resolved_ts": report.resolved_ts,
    });
    match report.subject {
        Subject::Event { room_id, event_id, sender } => {
            shown["room_id"] = json!(room_id);
            shown["event_id"] = json!(event_id);
            shown["user_id"] = json!(sender);
        }
        Subject::Room(room_id) => shown["room_id"] = json!(room_id),
        Subject::User(user_id) => shown["user_id"] = json!(user_id),
    }
    shown
}

/// With who reports, and what they say.
fn whole(report: Report) -> Value {
    let (reporter, reason) = (report.reporter.clone(), report.reason.clone());
    let mut shown = shown(report);
    shown["reporter"] = json!(reporter);
    shown["reason"] = json!(reason);
    shown
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    after: i64,
    #[serde(default)]
    all: bool,
}

/// What there is. Who reports and what they say is shown one by one.
async fn list(State(reports): State<Arc<Reports>>, Query(page): Query<List>) -> Result<Json<Value>, Failure> {
    let (found, next) = reports.list(page.after, page.all).await?;
    let found: Vec<Value> = found.into_iter().map(shown).collect();
    Ok(Json(json!({ "reports": found, "next": next })))
}

/// Who reads what somebody wrote to the operator, or deals with it, is in the writer's access log.
async fn noted(services: &AdminServices, By { operator, reason }: By, number: i64) -> Result<Report, Failure> {
    let report = services.reports.get(number).await?;
    if let Some(reporter) = &report.reporter {
        let reporter = services.accounts.local_num(reporter).await?;
        services.evidence.access_log.note(reporter, Look { by: operator, what: What::Report, reason }).await?;
    }
    Ok(report)
}

async fn show(State(services): State<AdminServices>, by: By, Path(number): Path<i64>) -> Result<Json<Value>, Failure> {
    Ok(Json(whole(noted(&services, by, number).await?)))
}

async fn resolve(
    State(services): State<AdminServices>,
    by: By,
    Path(number): Path<i64>,
) -> Result<Json<Value>, Failure> {
    noted(&services, by, number).await?;
    Ok(Json(whole(services.reports.resolve(number).await?)))
}

async fn delete(
    State(services): State<AdminServices>,
    by: By,
    Path(number): Path<i64>,
) -> Result<Json<Value>, Failure> {
    noted(&services, by, number).await?;
    services.reports.delete(number).await?;
    Ok(Json(json!({})))
}
