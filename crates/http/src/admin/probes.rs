//! GET and POST /_domicile/admin/v1/probes, GET, POST and DELETE /_domicile/admin/v1/probe-vantages (interference)

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    routing::{delete, get},
};
use domicile_app::{
    probes::{Probes, history::Shown},
    standing::Signs,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::AdminServices;
use crate::error::Failure;

pub(super) fn routes() -> Router<AdminServices> {
    Router::new()
        .route("/_domicile/admin/v1/probes", get(history).post(look))
        .route("/_domicile/admin/v1/probes/{run}", get(one))
        .route("/_domicile/admin/v1/probe-vantages", get(vantages).post(invite))
        .route("/_domicile/admin/v1/probe-vantages/{name}", delete(dismiss))
}

#[derive(Deserialize)]
struct Page {
    before: Option<i64>,
    host: Option<String>,
}

fn shown(seen: &Shown) -> Value {
    json!({
        "run": seen.run, "vantage": seen.vantage, "started_ts": seen.started_ts, "host": seen.host, "port": seen.port,
        "verdict": seen.verdict, "evidence": seen.evidence, "rate": seen.rates.0, "control_rate": seen.rates.1,
    })
}

async fn history(State(probes): State<Arc<Probes>>, Query(page): Query<Page>) -> Result<Json<Value>, Failure> {
    let (results, next) = probes.history(page.before, page.host).await?;
    let results: Vec<Value> = results.iter().map(shown).collect();
    Ok(Json(json!({ "results": results, "next": next })))
}

async fn look(State(probes): State<Arc<Probes>>, State(signs): State<Arc<Signs>>) -> Result<Json<Value>, Failure> {
    let (run, report) = probes.look().await?;
    signs.look().await?;
    Ok(Json(json!({ "run": run, "report": report })))
}

async fn one(State(probes): State<Arc<Probes>>, Path(run): Path<i64>) -> Result<Json<Value>, Failure> {
    Ok(Json(json!({ "run": run, "report": probes.one(run).await? })))
}

#[derive(Deserialize)]
struct Invite {
    name: String,
}

async fn invite(State(probes): State<Arc<Probes>>, Json(invite): Json<Invite>) -> Result<Json<Value>, Failure> {
    let code = probes.invite(invite.name.clone()).await?;
    Ok(Json(json!({ "name": invite.name, "code": code })))
}

async fn vantages(State(probes): State<Arc<Probes>>) -> Result<Json<Value>, Failure> {
    let vantages = probes.vantages().await?.into_iter().map(|vantage| {
        json!({ "name": vantage.name, "created_ts": vantage.created_ts, "reported": vantage.public_key.is_some() })
    });
    Ok(Json(json!({ "vantages": vantages.collect::<Vec<_>>() })))
}

async fn dismiss(State(probes): State<Arc<Probes>>, Path(name): Path<String>) -> Result<Json<Value>, Failure> {
    probes.dismiss(&name).await?;
    Ok(Json(json!({ "dismissed": name })))
}
