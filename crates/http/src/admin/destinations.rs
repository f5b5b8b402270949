//! GET and POST /_domicile/admin/v1/federation/destinations (which other servers are behind with what they are told)

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    routing::{get, post},
};
use domicile_app::federation::{Outbound, outbound::Behind};
use domicile_core::{error::ErrorKind, ids::DestinationNum, locality::Destination};
use serde::Deserialize;
use serde_json::{Value, json};

use super::AdminServices;
use crate::error::Failure;

pub(super) fn routes() -> Router<AdminServices> {
    Router::new()
        .route("/_domicile/admin/v1/federation/destinations", get(list))
        .route("/_domicile/admin/v1/federation/destinations/{name}", get(show))
        .route("/_domicile/admin/v1/federation/destinations/{name}/retry", post(retry))
}

fn shown(behind: Behind) -> Value {
    json!({
        "destination": behind.destination, "events": behind.events, "messages": behind.messages, "failures": behind.failures,
        "failing_since_ts": behind.failing_since_ts, "retry_ts": behind.retry_ts, "last_error": behind.last_error,
    })
}

fn named(name: &str) -> Result<Destination, Failure> {
    let destination = name.parse::<Destination>();
    Ok(destination.map_err(|error| ErrorKind::InvalidParam.with(error.to_string()))?)
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    after: i64,
}

async fn list(State(outbound): State<Arc<Outbound>>, Query(page): Query<List>) -> Result<Json<Value>, Failure> {
    let (found, next) = outbound.behind(DestinationNum(page.after)).await?;
    let found: Vec<Value> = found.into_iter().map(shown).collect();
    Ok(Json(json!({ "destinations": found, "next": next })))
}

async fn show(State(outbound): State<Arc<Outbound>>, Path(name): Path<String>) -> Result<Json<Value>, Failure> {
    Ok(Json(shown(outbound.how_far(&named(&name)?).await?)))
}

async fn retry(State(outbound): State<Arc<Outbound>>, Path(name): Path<String>) -> Result<Json<Value>, Failure> {
    outbound.retry(&named(&name)?).await?;
    Ok(Json(json!({})))
}
