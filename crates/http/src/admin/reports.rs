//! GET and POST /_domicile/admin/v1/reports (reports about events, rooms and users)

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    routing::{get, post},
};
use domicile_app::{
    accounts::Accounts,
    evidence::access_log::{Look, What},
    moderation::{
        Reports,
        reports::{Report, Subject},
    },
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{AdminServices, Evidence, operator::By};
use crate::error::Failure;

pub(super) fn routes() -> Router<AdminServices> {
    Router::new()
        .route("/_domicile/admin/v1/reports", get(list))
        .route("/_domicile/admin/v1/reports/{number}", get(show))
        .route("/_domicile/admin/v1/reports/{number}/resolve", post(resolve))
}

fn shown(report: Report) -> Value {
    let mut shown = json!({
        "report": report.number, "reporter": report.reporter, "reason": report.reason, "created_ts": report.created_ts,
        "resolved_ts": report.resolved_ts,
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

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    after: i64,
    #[serde(default)]
    all: bool,
}

async fn list(State(reports): State<Arc<Reports>>, Query(page): Query<List>) -> Result<Json<Value>, Failure> {
    let (found, next) = reports.list(page.after, page.all).await?;
    let found: Vec<Value> = found.into_iter().map(shown).collect();
    Ok(Json(json!({ "reports": found, "next": next })))
}

/// Who reads what somebody wrote to the operator is in the writer's access log.
async fn show(
    State(reports): State<Arc<Reports>>,
    State(accounts): State<Arc<Accounts>>,
    State(evidence): State<Evidence>,
    By { operator, reason }: By,
    Path(number): Path<i64>,
) -> Result<Json<Value>, Failure> {
    let report = reports.get(number).await?;
    let reporter = accounts.local_num(&report.reporter).await?;
    evidence.access_log.note(reporter, Look { by: operator, what: What::Report, reason }).await?;
    Ok(Json(shown(report)))
}

async fn resolve(State(reports): State<Arc<Reports>>, Path(number): Path<i64>) -> Result<Json<Value>, Failure> {
    Ok(Json(shown(reports.resolve(number).await?)))
}
