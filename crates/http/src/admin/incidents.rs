//! GET and POST /_domicile/admin/v1/incidents, key_incidents, alerts and the status page's files (what happened, and who is told)

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{get, post},
};
use domicile_app::standing::{
    Alerts, Incidents, KeyNotices, Notices, Signs, StatusPage, Told,
    incidents::{Incident, NewIncident, NewUpdate},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::AdminServices;
use crate::error::Failure;

pub(super) fn routes() -> Router<AdminServices> {
    Router::new()
        .route("/_domicile/admin/v1/incidents", get(list).post(open))
        .route("/_domicile/admin/v1/incidents/{incident}", get(show))
        .route("/_domicile/admin/v1/incidents/{incident}/updates", post(update))
        .route("/_domicile/admin/v1/incidents/{incident}/notices", post(tell))
        .route("/_domicile/admin/v1/key_incidents", get(keys))
        .route("/_domicile/admin/v1/alerts", get(alerts))
        .route("/_domicile/admin/v1/status/files", get(files))
}

async fn list(
    State(signs): State<Arc<Signs>>,
    State(incidents): State<Arc<Incidents>>,
) -> Result<Json<Value>, Failure> {
    signs.look().await?;
    let found: Vec<Incident> = incidents.list().await?;
    Ok(Json(json!({ "incidents": found })))
}

async fn open(
    State(incidents): State<Arc<Incidents>>,
    Json(new): Json<NewIncident>,
) -> Result<Json<Incident>, Failure> {
    Ok(Json(incidents.open(new).await?))
}

async fn show(State(incidents): State<Arc<Incidents>>, Path(number): Path<i64>) -> Result<Json<Incident>, Failure> {
    Ok(Json(incidents.get(number).await?))
}

async fn update(
    State(incidents): State<Arc<Incidents>>,
    Path(number): Path<i64>,
    Json(new): Json<NewUpdate>,
) -> Result<Json<Incident>, Failure> {
    Ok(Json(incidents.update(number, new).await?))
}

#[derive(Deserialize)]
struct Tell {
    #[serde(default)]
    only_count: bool,
}

async fn tell(
    State(notices): State<Arc<Notices>>,
    Path(number): Path<i64>,
    Json(tell): Json<Tell>,
) -> Result<Json<Told>, Failure> {
    Ok(Json(notices.tell(number, tell.only_count).await?))
}

async fn keys(State(notices): State<Arc<KeyNotices>>) -> Result<Json<Value>, Failure> {
    Ok(Json(json!({ "key_incidents": notices.incidents().list().await? })))
}

async fn alerts(State(signs): State<Arc<Signs>>, State(alerts): State<Arc<Alerts>>) -> Result<Json<Value>, Failure> {
    signs.look().await?;
    alerts.look().await?;
    Ok(Json(json!({ "alerts": alerts.list().await? })))
}

async fn files(State(status): State<Arc<StatusPage>>) -> Result<Json<BTreeMap<String, String>>, Failure> {
    Ok(Json(status.export().await?))
}
