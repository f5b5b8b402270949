//! GET and POST /_domicile/admin/v1/operators, PUT and DELETE …/{name} (those who may use the console)

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{delete, get, put},
};
use domicile_app::admin::{
    OperatorSessions, Operators,
    operators::{OperatorAccount, Regions, Role},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::AdminServices;
use crate::error::Failure;

pub(super) fn routes() -> Router<AdminServices> {
    Router::new()
        .route("/_domicile/admin/v1/operators", get(list).post(add))
        .route("/_domicile/admin/v1/operators/{name}", delete(remove))
        .route("/_domicile/admin/v1/operators/{name}/password", put(set_password))
}

fn shown(account: &OperatorAccount) -> Value {
    json!({
        "name": account.name, "role": account.role, "regions": account.regions.text(), "created_ts": account.created_ts,
    })
}

async fn list(State(operators): State<Arc<Operators>>) -> Result<Json<Value>, Failure> {
    let found: Vec<Value> = operators.list().await?.iter().map(shown).collect();
    Ok(Json(json!({ "operators": found })))
}

#[derive(Deserialize)]
struct Add {
    name: String,
    password: String,
    role: Role,
    regions: String,
}

async fn add(State(operators): State<Arc<Operators>>, Json(new): Json<Add>) -> Result<Json<Value>, Failure> {
    let added = operators.add(&new.name, new.password, new.role, Regions::read(&new.regions)?).await?;
    Ok(Json(shown(&added)))
}

#[derive(Deserialize)]
struct Password {
    password: String,
}

async fn set_password(
    State(operators): State<Arc<Operators>>,
    State(sessions): State<Arc<OperatorSessions>>,
    Path(name): Path<String>,
    Json(new): Json<Password>,
) -> Result<Json<Value>, Failure> {
    operators.set_password(&name, new.password).await?;
    sessions.end_all_of(&name);
    Ok(Json(json!({ "name": name })))
}

async fn remove(
    State(operators): State<Arc<Operators>>,
    State(sessions): State<Arc<OperatorSessions>>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Failure> {
    operators.remove(&name).await?;
    sessions.end_all_of(&name);
    Ok(Json(json!({ "removed": name })))
}
